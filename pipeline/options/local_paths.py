"""Flags that take only paths of this machine."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from beam_deeplab.deeplab.zoo import local_path
from beam_deeplab.pipeline.options.errors import UsageError

_ONE_SLASH: Final = re.compile(r"([a-z][a-z\d+.-]+):/(?!/)", re.IGNORECASE)


def lost_slash(text: str) -> str:
    """What is wrong with ``gs:/bucket/x``, which would be a folder ``gs:`` here; or nothing."""
    found = _ONE_SLASH.match(text)
    return f"has one slash: write {found[1]}://, or ./{found[0]} for a folder here" if found else ""


def local_flag(flag: str, text: str) -> Path:
    """The path that a flag names, absolute.

    Args:
        flag: The flag, for the message.
        text: A path, ``~`` included, or a ``file://`` address.

    Raises:
        UsageError: It names another place, or nothing.
    """
    if mistake := lost_slash(text):
        raise UsageError(f"{flag} {text}: {mistake}")
    path = local_path(text) if text else None
    if path is None:
        raise UsageError(
            f"{flag} {text or repr(text)}: this flag takes only paths of this machine; copy what "
            "lies elsewhere here first, or what is made here there afterwards"
        )
    try:
        return path.expanduser().absolute()
    except RuntimeError as error:
        raise UsageError(f"{flag} {text}: {error}") from error
