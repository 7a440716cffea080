"""How many images a second become durable, from counts that jump by whole shards."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

_WINDOW: Final = 120.0
"""Seconds."""

_SHARE_OF_START: Final = 0.1
"""How long a burst may be, of the time to the first one: shards of a run take about as long."""

_SHORTEST: Final = 1.0
_LONGEST: Final = 30.0
"""Bounds of that, in seconds."""


@dataclass
class _Burst:
    """Shards that became durable at nearly the same time."""

    began: float
    ended: float
    done: int


class Rate:
    """Images a second over the last two minutes, without the start-up.

    Whole shards become durable at once, and those of several workers at nearly the same time.
    So time counts from the end of the first such burst to the end of the latest one; what is
    overdue since then counts too.
    """

    def __init__(self) -> None:
        self._began: float | None = None
        self._done = 0
        self._longest_burst = _SHORTEST
        self._bursts: list[_Burst] = []

    def add(self, now: float, done: int) -> None:
        """Takes note that at a time (in seconds) so many images are done."""
        if self._began is None:
            self._began = now
        if done < self._done:
            self._bursts = [_Burst(now, now, done)]
        elif done > self._done:
            self._add_burst(now, done, now - self._began)
        self._done = done

    def _add_burst(self, now: float, done: int, since_start: float) -> None:
        bursts = self._bursts
        if not bursts:
            self._longest_burst = min(max(_SHORTEST, _SHARE_OF_START * since_start), _LONGEST)
        if bursts and now - bursts[-1].began < self._longest_burst:
            bursts[-1].ended, bursts[-1].done = now, done
        else:
            bursts.append(_Burst(now, now, done))
        while len(bursts) > 2 and bursts[1].ended <= now - _WINDOW:
            del bursts[0]

    def per_second(self, now: float) -> float | None:
        """Images a second; None before two bursts."""
        if len(self._bursts) < 2:
            return None
        first, last = self._bursts[0], self._bursts[-1]
        overdue = max(0.0, now - last.ended - self._usual_pause())
        return (last.done - first.done) / (last.ended - first.ended + overdue)

    def seconds_for(self, images: int, now: float) -> float | None:
        """Seconds until so many more images are done; None before two bursts."""
        rate = self.per_second(now)
        if not rate:
            return None
        since = min(now - self._bursts[-1].ended, self._usual_pause())
        return max(0.0, images / rate - since)

    def _usual_pause(self) -> float:
        return (self._bursts[-1].ended - self._bursts[0].ended) / (len(self._bursts) - 1)
