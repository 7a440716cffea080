"""How many images a second become durable, from counts that jump by whole shards."""

from __future__ import annotations

from typing import Final

_WINDOW_SECONDS: Final = 120.0
_BURST_SHARE: Final = 0.1
_SHORTEST_BURST: Final = 1.0
_LONGEST_BURST: Final = 30.0


class Rate:
    """Images a second over the last two minutes, without the start-up.

    Whole shards become durable at once, and those of several workers at nearly the same time.
    So time counts from the end of the first such burst to the latest one; what is overdue since
    then counts too.
    """

    def __init__(self) -> None:
        self._began: float | None = None
        self._done = 0
        self._burst = _SHORTEST_BURST
        self._points: list[tuple[float, int]] = []

    def add(self, now: float, done: int) -> None:
        """Takes note that at a time (in seconds) so many images are done."""
        if self._began is None:
            self._began = now
        if done < self._done:
            self._points = [(now, done)]
        elif done > self._done:
            self._add_point(now, done)
        self._done = done

    def _add_point(self, now: float, done: int) -> None:
        points = self._points
        if not points:
            assert self._began is not None
            self._burst = min(
                max(_SHORTEST_BURST, _BURST_SHARE * (now - self._began)), _LONGEST_BURST
            )
        if points and now - points[-1][0] < self._burst:
            points[-1] = points[-1][0], done
        else:
            points.append((now, done))
        while len(points) > 2 and points[1][0] <= now - _WINDOW_SECONDS:
            del points[0]

    def per_second(self, now: float) -> float | None:
        """Images a second; None before two bursts."""
        if len(self._points) < 2:
            return None
        (first, before), (last, done) = self._points[0], self._points[-1]
        overdue = max(0.0, now - last - self._usual_pause())
        return (done - before) / (last - first + overdue)

    def seconds_for(self, images: int, now: float) -> float | None:
        """Seconds until so many more images are done; None before two bursts."""
        rate = self.per_second(now)
        if not rate:
            return None
        since = min(now - self._points[-1][0], self._usual_pause())
        return max(0.0, images / rate - since)

    def _usual_pause(self) -> float:
        return (self._points[-1][0] - self._points[0][0]) / (len(self._points) - 1)
