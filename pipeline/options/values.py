"""What the values of flags mean, and options that are made of them."""

from __future__ import annotations

import argparse
import math
import re
from dataclasses import dataclass, fields
from typing import Any, Final, Self

from beam_deeplab.pipeline.options.local_paths import lost_slash
from beam_deeplab.transforms.sources.listing import absolute_pattern

_BYTES: Final = re.compile(r"(\d+(?:\.\d+)?)\s*(?:([kmgt])(i?)b?|b)?", re.IGNORECASE)
_POWERS: Final = " kmgt"


@dataclass(frozen=True)
class FlagOptions:
    """Options whose attributes are called as their flags; what they mean the flags' help says."""

    @classmethod
    def take(cls, arguments: argparse.Namespace, **others: Any) -> Self:
        """Takes parsed flags.

        Args:
            arguments: The flags.
            others: Attributes that are not their flag's value.
        """
        own = {each.name for each in fields(cls)} - others.keys()
        return cls(**{name: getattr(arguments, name) for name in own}, **others)


def location(text: str) -> str:
    """A path, pattern or URI; absolute if local.

    Raises:
        argparse.ArgumentTypeError: It is empty, or lacks one of the slashes of ``gs://``.
    """
    if not text.strip():
        raise argparse.ArgumentTypeError("is empty")
    if mistake := lost_slash(text):
        raise argparse.ArgumentTypeError(f"{text} {mistake}")
    return absolute_pattern(text)


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


def price(text: str) -> float:
    """An amount of money, 0 or more.

    Raises:
        argparse.ArgumentTypeError: It is none.
    """
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is no price, as 0.19")
    return value
