"""What the values of flags mean, and options that are made of them."""

from __future__ import annotations

import argparse
import math
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final, Self

from beam_deeplab.deeplab.zoo import local_path
from beam_deeplab.pipeline.options.errors import UsageError, refusing
from beam_deeplab.transforms.sources.listing import absolute_pattern

_BYTES: Final = re.compile(r"(\d+(?:\.\d+)?)\s*(?:([kmgt])(i?)b?|b)?", re.IGNORECASE)
_POWERS: Final = " kmgt"
_ONE_SLASH: Final = re.compile(r"([a-z][a-z\d+.-]+):/(?!/)", re.IGNORECASE)


@dataclass(frozen=True)
class FlagOptions:
    """Options whose attributes are called as their flags; what they mean the flags' help says."""

    @classmethod
    def take(cls, arguments: argparse.Namespace, **others: Any) -> Self:
        """Takes parsed flags, but for the attributes that are given."""
        own = {each.name for each in fields(cls)} - others.keys()
        return cls(**{name: getattr(arguments, name) for name in own}, **others)


def add_again_flags(
    parser: argparse._ActionsContainer, what: str, resume: str
) -> argparse._MutuallyExclusiveGroup:
    """Adds ``--resume``, with its help, and ``--overwrite``, for an output that holds one."""
    again = parser.add_mutually_exclusive_group()
    again.add_argument("--resume", action="store_true", help=resume)
    again.add_argument(
        "--overwrite",
        action="store_true",
        help=f"remove the {what} in --output (its own files only) and start anew",
    )
    return again


def split_values(argv: Sequence[str], parser: argparse.ArgumentParser) -> Iterator[str]:
    """The words that a parser takes for those of a template of Dataflow: each is ``--name=value``.

    ``--resume=true`` becomes ``--resume``, ``--resume=false`` nothing, and ``--canvas=513 513``
    ``--canvas 513 513``. Paths, which may have spaces, are left whole.

    Raises:
        UsageError: A flag that is on or off has another value.
    """
    actions = {name: action for action in parser._actions for name in action.option_strings}
    for word in argv:
        name, equals, value = word.partition("=")
        action = actions.get(name) if equals else None
        if isinstance(action, argparse._StoreTrueAction):
            if value.lower() not in ("true", "false"):
                raise UsageError(f"{word}: give {name}=true or {name}=false")
            if value.lower() == "true":
                yield name
        elif action is not None and action.nargs == "+" and action.type in (None, int, float):
            yield name
            yield from value.split()
        else:
            yield word


def local_flag(flag: str, text: str) -> Path:
    """The path that a flag names, absolute.

    Args:
        flag: The flag, for the message.
        text: A path, ``~`` included, or a ``file://`` address.

    Raises:
        UsageError: It names another place, or nothing.
    """
    if mistake := _lost_slash(text):
        raise UsageError(f"{flag} {text}: {mistake}")
    path = local_path(text) if text else None
    if path is None:
        raise UsageError(
            f"{flag} {text or repr(text)}: this flag takes only paths of this machine; copy what "
            "lies elsewhere here first, or what is made here there afterwards"
        )
    with refusing(f"{flag} {text}", RuntimeError):
        return path.expanduser().absolute()


def location(text: str) -> str:
    """A path, pattern or URI; absolute if local.

    Raises:
        argparse.ArgumentTypeError: It is empty, or lacks one of the slashes of ``gs://``.
    """
    if not text.strip():
        raise argparse.ArgumentTypeError("is empty")
    if mistake := _lost_slash(text):
        raise argparse.ArgumentTypeError(f"{text} {mistake}")
    return absolute_pattern(text)


def _lost_slash(text: str) -> str:
    """What is wrong with ``gs:/bucket/x``, which would be a folder ``gs:`` here; or nothing."""
    found = _ONE_SLASH.match(text)
    return f"has one slash: write {found[1]}://, or ./{found[0]} for a folder here" if found else ""


def positive(text: str) -> int:
    """A whole number of at least 1, for argparse."""
    value = int(text)
    if value < 1:
        raise ValueError(text)
    return value


def byte_count(text: str) -> int:
    """A number of bytes, also as ``500MB`` or ``2GiB``.

    Raises:
        argparse.ArgumentTypeError: It is none, or 0.
    """
    found = _BYTES.fullmatch(text.strip())
    number = 0
    if found:
        factor = 1024 if found[3] else 1000
        number = int(float(found[1]) * factor ** _POWERS.index((found[2] or " ").lower()))
    if not number:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of bytes, as 1000000 or 500MB")
    return number


def probability(text: str) -> float:
    """A number from 0 to 1.

    Raises:
        argparse.ArgumentTypeError: It is none.
    """
    return _number(text, 1, "probability from 0 to 1")


def price(text: str) -> float:
    """An amount of money, 0 or more.

    Raises:
        argparse.ArgumentTypeError: It is none.
    """
    return _number(text, sys.float_info.max, "price, as 0.19")


def _number(text: str, largest: float, what: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value <= largest:
        raise argparse.ArgumentTypeError(f"{text!r} is no {what}")
    return value
