"""What is printed for people: names are data, and no data may steer a terminal."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from rich.console import Console

_STEERING: Final = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]"
)
"""Controls (escape sequences begin with one), what turns the direction of a line or ends it, and
halves of characters, which no encoding has."""


def safe_line(text: object) -> str:
    r"""A text as one line that shows what it holds and does nothing to a terminal.

    Args:
        text: A file name, a class name, a message that holds one; whatever ``str`` takes.

    Returns:
        The text, with ``\x1b`` for ESC, ``\n`` for a line feed, ``\u202e`` for a turn of
        direction, and ``\xff`` for a byte of a file name that is not UTF-8.
    """
    return _STEERING.sub(_shown, str(text))


def _shown(match: re.Match[str]) -> str:
    code = ord(match[0])
    if 0xDC80 <= code <= 0xDCFF:  # how Python keeps such a byte (PEP 383)
        return f"\\x{code - 0xDC00:02x}"
    return match[0].encode("unicode_escape").decode()


def say(line: str, *details: str) -> None:
    """Prints a line of the program's own on standard error, and details below it."""
    print(f"beam-deeplab: {safe_line(line)}", file=sys.stderr)
    for detail in details:
        print(f"  {safe_line(detail)}", file=sys.stderr)
    sys.stderr.flush()


def open_console(*, stderr: bool = False) -> Console:
    """A console that takes what it prints for text: no markup, no emoji, no colours by guess."""
    from rich.console import Console

    return Console(stderr=stderr, markup=False, emoji=False, highlight=False)
