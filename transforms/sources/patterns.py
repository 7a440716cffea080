"""Globs over folders, with one meaning locally and in ``gs://``: that of :mod:`wcmatch.glob`.

``*``, ``?`` and ``[...]`` match within one name; ``**`` matches any number of folders, none
included; ``**.jpg`` means ``**/*.jpg``; ``{a,b}`` means either. As with :mod:`glob`, a name that
begins with a dot is matched only by a pattern that names the dot. Unlike there, brackets stand
for themselves too, so that ``Photos [2019]/*`` finds what is in the folder of that name.
"""

from __future__ import annotations

import functools
import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import bracex
from wcmatch import glob as wcglob

_WILD: Final = re.compile(r"[*?[]")
_FLAGS: Final = wcglob.GLOBSTAR | wcglob.CASE | wcglob.FORCEUNIX

_ALTERNATIVES: Final = 1000
"""What the braces of one pattern may come to."""


_READINGS: Final = 64
"""In how many ways, at most, the brackets of one pattern are read."""


class PatternError(ValueError):
    """A pattern cannot be understood; the message says why."""


def is_wild(pattern: str) -> bool:
    """Whether a pattern without braces can match more than its own text."""
    return _WILD.search(pattern) is not None


def alternatives(pattern: str) -> list[str]:
    """What the braces of a pattern come to; the pattern itself where it has none that do.

    Raises:
        PatternError: They come to too much.
    """
    try:
        return bracex.expand(pattern, keep_escapes=True, limit=_ALTERNATIVES)
    except bracex.ExpansionLimitException as error:
        raise PatternError(f"its braces come to more than {_ALTERNATIVES} patterns") from error


@dataclass(frozen=True, slots=True)
class Glob:
    """A pattern without braces, split into what is listed and what is matched.

    Attributes:
        folder: What stands before the first segment with magic, without the slash at its end.
        segments: The rest, split at slashes.
    """

    folder: str
    segments: tuple[str, ...]

    @classmethod
    def parse(cls, pattern: str) -> Glob:
        """Splits a pattern that is wild."""
        parts = pattern.split("/")
        first = next(index for index, part in enumerate(parts) if is_wild(part))
        segments: list[str] = []
        for part in parts[first:]:
            if part.startswith("**") and part.strip("*"):
                segments += ["**", f"*{part.lstrip('*')}"]
            else:
                segments.append(part)
        return cls("/".join(parts[:first]), tuple(segments))

    @property
    def prefix(self) -> str:
        """What the first name below ``folder`` must begin with."""
        magic = _WILD.search(self.segments[0])
        return self.segments[0][: magic.start()] if magic else self.segments[0]

    @property
    def is_flat(self) -> bool:
        """Whether all matches lie directly in ``folder``."""
        return len(self.segments) == 1 and self.segments[0] != "**"

    @property
    def is_open(self) -> bool:
        """Whether it leaves open how names end, so that not all it matches need be images."""
        return self.segments[-1].endswith("*")

    def matches(self, path: str, *, hidden: bool = False) -> bool:
        """Whether a file's path, relative to ``folder``, matches; hidden names too, if asked."""
        return bool(_matcher((self.segments,), hidden).match(path))

    def may_match_below(self, path: str) -> bool:
        """Whether anything below a folder, its path relative to ``folder``, can match."""
        ends_open = self.segments[-1] == "**"
        above = [self.segments[:end] for end in range(1, len(self.segments) + ends_open)]
        return bool(above) and bool(_matcher(tuple(above), False).match(path))


@functools.lru_cache(maxsize=1024)
def _matcher(globs: tuple[tuple[str, ...], ...], hidden: bool) -> wcglob.WcMatcher[str]:
    patterns = [reading for segments in globs for reading in _readings("/".join(segments))]
    return wcglob.compile(patterns, flags=_FLAGS | (wcglob.DOTGLOB if hidden else 0))


def _readings(pattern: str) -> Iterator[str]:
    """A pattern with each of its brackets as one of a set, and as itself."""
    first, *rest = pattern.split("[")
    kinds = itertools.product(("[", "[[]"), repeat=len(rest))
    for kind in itertools.islice(kinds, _READINGS):
        yield first + "".join(map("".join, zip(kind, rest, strict=True)))
    yield "[[]".join([first, *rest])
