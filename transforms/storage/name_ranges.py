"""Names that only a listing tells -> ranges of names, each of which can be listed by itself.

An object store gives names in order, page after page, and each page tells where the next begins.
So several workers can share a listing only if each knows from which name to which it goes. The
names between are found by asking which one is the first at or behind some text, down the tree of
what names begin with: ``IMG_0 ... IMG_9``, then ``IMG_00 ... IMG_99``; or ``2024 2025``, then
``2024/01 ...``. Whatever the answers, each name lies in just one range.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final

RANGES: Final = 64
"""How many ranges are enough: as long as there are fewer, the search goes one level down."""

REQUESTS: Final = 200
"""The most questions that a search asks."""

FirstAt = Callable[[str], str | None]
"""The first name, by code points, at or behind a text; None if there is none."""


@dataclass(frozen=True, slots=True)
class NameRange:
    """The names with ``first <= name < end``; by default all.

    Attributes:
        first: The smallest.
        end: What they are smaller than; empty for no such end.
    """

    first: str = ""
    end: str = ""


ALL: Final = NameRange()


def find_ranges(
    first_at: FirstAt,
    prefix: str,
    *,
    is_flat: bool = False,
    mapping: Callable[..., Iterable[Any]] = map,
) -> list[NameRange]:
    """Cuts the names with a prefix into ranges.

    Args:
        first_at: Is asked at most :data:`REQUESTS` times; what it raises is raised here.
        prefix: What the names begin with.
        is_flat: Whether names count only as far as a ``/`` behind the prefix, since what is
            listed is one folder without those below.
        mapping: As ``map``; one that works on several at once asks several questions at once.

    Returns:
        Ranges from the smallest name to the largest: one, some :data:`RANGES`, or a few more,
        and as even as the names' beginnings are.
    """
    first = first_at(prefix)
    level = [] if first is None else [_Node(prefix, first)]
    left = REQUESTS - 1
    starts: set[str] = set()
    while level and len(starts) < RANGES - 1 and left >= 2 * len(level):
        # The same to each node of a level: the one that is not parted is the longest range.
        asking = [_Asking(first_at, left // len(level)) for _ in level]
        depth = len(prefix) if is_flat else None
        parted = list(mapping(_parts, level, asking, itertools.repeat(depth)))
        left -= sum(each.asked for each in asking)
        starts.update(node.prefix for parts in parted for node in parts[1:])
        level = [node for parts in parted for node in parts]
        if is_flat:
            level = [node for node in level if "/" not in node.prefix[len(prefix) :]]
    bounds = ["", *sorted(starts), ""]
    return [NameRange(*each) for each in itertools.pairwise(bounds)]


@dataclass(frozen=True, slots=True)
class _Node:
    """All names that begin with ``prefix``, of which ``first`` is the first."""

    prefix: str
    first: str


class _Asking:
    """Questions, and how many have been asked."""

    def __init__(self, first_at: FirstAt, allowed: int) -> None:
        self._first_at = first_at
        self._allowed = allowed
        self.asked = 0

    def within(self, node: _Node, text: str | None) -> str | None:
        """The first name of a node at or behind a text, which is no smaller than its prefix.

        None too when no more may be asked: what is not parted then stays in one range.
        """
        if text is None or self.asked == self._allowed:
            return None
        self.asked += 1
        name = self._first_at(text)
        return name if name is not None and name.startswith(node.prefix) else None


def _parts(node: _Node, asking: _Asking, flat_from: int | None) -> list[_Node]:
    """The nodes that a node's names part into, first to last, as far as one may ask."""
    first = node.first
    common, name = _common(node, asking, flat_from)
    parts: list[_Node] = []
    behind: str | None = f"{first}\0"
    if common < len(first):
        parts.append(_Node(first[: common + 1], first))
        behind = _behind(parts[0].prefix)
    name = name or asking.within(node, behind)
    while name is not None:
        parts.append(_Node(name[: common + 1], name))
        name = asking.within(node, _behind(parts[-1].prefix))
    return parts


def _common(node: _Node, asking: _Asking, flat_from: int | None) -> tuple[int, str | None]:
    """How many characters all names share, and the first to go on otherwise, if that is known."""
    first = node.first
    least, most, step, other = len(node.prefix), len(first), 1, None
    if flat_from is not None and "/" in first[flat_from:]:
        most = first.index("/", flat_from)
    while least < most:
        # Names part soon, or much later.
        tried = min(least + step, (least + most + 1) // 2)
        name = asking.within(node, _behind(first[:tried]))
        if name is None:
            least, step = tried, 2 * step
        else:
            most = next(at for at in range(tried) if first[at] != name[at])
            other = name
    return least, other


def _behind(text: str) -> str | None:
    """The smallest text behind all that begin with a text; None if there is none."""
    kept = text.rstrip("\U0010ffff")
    return f"{kept[:-1]}{_next_character(kept[-1])}" if kept else None


def _next_character(character: str) -> str:
    following = ord(character) + 1
    # Surrogates are no characters, and no object's name holds an end of a line.
    if 0xD800 <= following <= 0xDFFF:
        return "\ue000"
    return chr(following + 1) if chr(following) in "\n\r" else chr(following)
