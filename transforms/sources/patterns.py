"""Globs over folders, with one meaning locally and in ``gs://``.

``*``, ``?`` and ``[...]`` match within one name; ``**`` matches any number of folders, none
included; ``**.jpg`` means ``**/*.jpg``. As with :mod:`glob`, a name that begins with a dot is
matched only by a pattern that names the dot.
"""

from __future__ import annotations

import fnmatch
import re
from dataclasses import dataclass

_MAGIC = re.compile(r"[*?[]")


def has_magic(pattern: str) -> bool:
    """Whether a pattern can match more than its own text."""
    return _MAGIC.search(pattern) is not None


@dataclass(frozen=True, slots=True)
class Glob:
    """A pattern, split into what is listed and what is matched.

    Attributes:
        folder: What stands before the first segment with magic, without the slash at its end.
        segments: The rest, split at slashes.
    """

    folder: str
    segments: tuple[str, ...]

    @classmethod
    def parse(cls, pattern: str) -> Glob:
        """Splits a pattern that has magic."""
        parts = pattern.split("/")
        first = next(index for index, part in enumerate(parts) if has_magic(part))
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
        magic = _MAGIC.search(self.segments[0])
        return self.segments[0][: magic.start()] if magic else self.segments[0]

    @property
    def is_flat(self) -> bool:
        """Whether all matches lie directly in ``folder``."""
        return len(self.segments) == 1 and self.segments[0] != "**"

    def matches(self, path: str) -> bool:
        """Whether a file's path, relative to ``folder``, matches."""
        return _matches(tuple(path.split("/")), self.segments)

    def may_match_below(self, path: str) -> bool:
        """Whether anything below a folder, its path relative to ``folder``, can match."""
        return _may_match_below(tuple(path.split("/")), self.segments)


def visible_below(folder: str) -> Glob:
    """The glob of all files below a folder that are not hidden."""
    return Glob(folder, ("**",))


def _segment_matches(name: str, segment: str) -> bool:
    if name.startswith(".") and not segment.startswith("."):
        return False
    return fnmatch.fnmatchcase(name, segment)


def _matches(names: tuple[str, ...], segments: tuple[str, ...]) -> bool:
    if not segments:
        return not names
    if segments[0] != "**":
        return (
            bool(names)
            and _segment_matches(names[0], segments[0])
            and _matches(names[1:], segments[1:])
        )
    if len(segments) == 1:
        return bool(names) and not any(name.startswith(".") for name in names)
    if _matches(names, segments[1:]):
        return True
    return bool(names) and not names[0].startswith(".") and _matches(names[1:], segments)


def _may_match_below(folders: tuple[str, ...], segments: tuple[str, ...]) -> bool:
    if not segments:
        return False
    if not folders:
        return True
    if segments[0] != "**":
        return _segment_matches(folders[0], segments[0]) and _may_match_below(
            folders[1:], segments[1:]
        )
    if _may_match_below(folders, segments[1:]):
        return True
    return not folders[0].startswith(".") and _may_match_below(folders[1:], segments)
