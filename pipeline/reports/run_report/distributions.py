"""How values between 0 and 1 are spread, from counts alone: exact, and bounded in memory."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

FINE: Final = 1000
"""Bins that a query counts: a quantile is known to half a thousandth."""

BINS: Final = 20
"""Bins that are shown."""


@dataclass(frozen=True)
class Distribution:
    """Values in [0, 1].

    Attributes:
        counts: How many are in each of :data:`BINS` equal bins; the last one holds 1 too.
        p10: A tenth of the values is at most this; None if there are none.
        median: Half of them.
        p90: Nine tenths of them.
    """

    counts: tuple[int, ...]
    p10: float | None
    median: float | None
    p90: float | None

    @classmethod
    def of(cls, fine: Mapping[int, int]) -> Distribution:
        """From the counts of :data:`FINE` equal bins, those of 0 left out."""
        counts = [0] * BINS
        for place, count in fine.items():
            counts[place * BINS // FINE] += count
        return cls(tuple(counts), *(_quantile(fine, tenths) for tenths in (1, 5, 9)))


def fine_bin(value: str) -> str:
    """SQL for the fine bin of a value in [0, 1]."""
    return f"least(greatest(floor({value} * {FINE}), 0), {FINE - 1})::integer"


def _quantile(fine: Mapping[int, int], tenths: int) -> float | None:
    """The middle of the first bin with which that many tenths of all values are counted."""
    total = sum(fine.values())
    places = sorted(fine)
    counted = itertools.accumulate(fine[place] for place in places)
    for place, seen in zip(places, counted, strict=True):
        if 10 * seen >= tenths * total:
            return (place + 0.5) / FINE
    return None
