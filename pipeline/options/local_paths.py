"""Flags that take only paths of this machine."""

from __future__ import annotations

from pathlib import Path

from beam_deeplab.deeplab.zoo import local_path
from beam_deeplab.pipeline.options.errors import UsageError


def local_flag(flag: str, text: str) -> Path:
    """The path that a flag names, absolute.

    Args:
        flag: The flag, for the message.
        text: A path, ``~`` included, or a ``file://`` address.

    Raises:
        UsageError: It names another place, or nothing.
    """
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
