"""What inputs name and is no image: counted by kind, share by share, and added up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Final

from beam_deeplab.transforms.records import ImageRef, LeftOut

KINDS: Final = 20
"""How many kinds of what is left out one input tells apart; the rest are ``of other kinds``."""

_KINDS_OF_A_SHARE: Final = 10 * KINDS
"""The same for a share of one: what is common in all of it may be rare in one share."""

OTHERS: Final = "of other kinds"


def count_left_out(
    pattern: str, found: Iterable[ImageRef | LeftOut], kinds: int = _KINDS_OF_A_SHARE
) -> Iterator[ImageRef | LeftOut]:
    """Counts what is left out, and gives the counts at the end.

    Args:
        pattern: The input that names it.
        found: Images, and counts of what is none.
        kinds: How many kinds are told apart.

    Yields:
        The images, as they come; then a count for each of the commonest kinds, and one of the
        others.
    """
    counts = Counter[str]()
    for each in found:
        if isinstance(each, ImageRef):
            yield each
        else:
            counts[each.kind] += each.count
    yield from _commonest(pattern, counts, kinds)


def add_up(left_out: Iterable[LeftOut]) -> list[LeftOut]:
    """Adds up what the shares of inputs leave out.

    Args:
        left_out: In any order.

    Returns:
        For each input the counts of its :data:`KINDS` commonest kinds, and one of the others.
    """
    inputs: dict[str, Counter[str]] = {}
    # Sorted, or which of two kinds of the same count is told would change from run to run.
    for each in sorted(left_out):
        inputs.setdefault(each.pattern, Counter())[each.kind] += each.count
    return [each for pattern in inputs for each in _commonest(pattern, inputs[pattern], KINDS)]


def _commonest(pattern: str, counts: Counter[str], kinds: int) -> Iterator[LeftOut]:
    others = counts.pop(OTHERS, 0)
    for kind, count in counts.most_common()[:kinds]:
        yield LeftOut(pattern, kind, count)
        del counts[kind]
    if others := others + counts.total():
        yield LeftOut(pattern, OTHERS, others)
