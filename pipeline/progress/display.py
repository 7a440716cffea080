"""What is shown of a run's progress: a bar on a terminal, else a line now and then."""

from __future__ import annotations

import contextlib
import logging
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Final, Protocol

from beam_deeplab.pipeline.progress.estimate import RunProgress, Watcher
from beam_deeplab.pipeline.terminal import open_console
from beam_deeplab.transforms import storage

_LOGGER = logging.getLogger(__name__)

LINE_SECONDS: Final = 30.0
"""Between two lines where standard error is no terminal."""

_MOST_LOOKING: Final = 0.05
"""Share of the time that may go into looking: large outputs are looked at less often."""

_END_SECONDS: Final = 60.0
_GIVE_UP_SECONDS: Final = 5.0


def look_seconds(output: str) -> float:
    """Seconds between two looks at an output; storage behind a network is spared."""
    return 15.0 if storage.scheme(output) else 0.5


def describe_progress(progress: RunProgress | None, *, ended: bool = False) -> str:
    """One line, such as ``1,234 of 10,000 images, 41.2 images/s, 3 failures, 3 min 33 s left``."""
    if progress is None:
        return "listing and planning"
    images = "image" if progress.planned == 1 else "images"
    words = [f"{progress.done:,} of {progress.planned:,} {images}"]
    if progress.rate is not None:
        words.append(f"{describe_rate(progress.rate)} images/s")
    if progress.failures:
        words.append(f"{progress.failures:,} {'failure' if progress.failures == 1 else 'failures'}")
    if ended:
        pass
    elif progress.done == progress.planned:
        words.append("checking and committing")
    elif progress.seconds_left is not None:
        words.append(f"{describe_seconds(progress.seconds_left)} left")
    return ", ".join(words)


def describe_rate(rate: float) -> str:
    """A rate with one digit behind the point, or with two digits that count below 1."""
    return f"{rate:,.1f}" if rate >= 1 else f"{rate:.2g}"


def describe_seconds(seconds: float) -> str:
    """A duration in its two largest units: ``45 s``, ``3 min 33 s``, ``2 h 5 min``, ``3 d 4 h``."""
    for unit, size, smaller, smaller_size in (
        ("d", 86400, "h", 3600),
        ("h", 3600, "min", 60),
        ("min", 60, "s", 1),
    ):
        if round(seconds) >= size:
            whole, rest = divmod(round(seconds / smaller_size), size // smaller_size)
            return f"{whole:,} {unit} {rest} {smaller}"
    return f"{round(seconds)} s"


class Looker(Protocol):
    """What tells how far a job is."""

    def look(self) -> RunProgress | None:
        """How far it is now; None while that cannot be told yet."""


class _Show(Protocol):
    def __call__(self, progress: RunProgress | None, *, ended: bool = False) -> None: ...


@contextlib.contextmanager
def _bar() -> Iterator[_Show]:
    from rich.progress import BarColumn, Progress, TextColumn

    columns = BarColumn(bar_width=None), TextColumn("{task.description}", markup=False)
    console = open_console(stderr=True)
    with Progress(*columns, console=console, expand=True, redirect_stdout=False) as bars:
        task = bars.add_task(describe_progress(None), total=None)

        def show(progress: RunProgress | None, *, ended: bool = False) -> None:
            done, planned = (progress.done, progress.planned) if progress else (None, None)
            words = describe_progress(progress, ended=ended)
            bars.update(task, description=words, completed=done, total=planned)

        yield show


@contextlib.contextmanager
def _lines(seconds: float) -> Iterator[_Show]:
    due = time.monotonic() + seconds

    def show(progress: RunProgress | None, *, ended: bool = False) -> None:
        nonlocal due
        now = time.monotonic()
        is_due = progress is not None if ended else now >= due
        if is_due:
            print(describe_progress(progress, ended=ended), file=sys.stderr, flush=True)
            due = now + seconds

    yield show


def is_drawn_on() -> bool:
    """Whether standard error is a terminal that a bar can be drawn on."""
    return sys.stderr.isatty() and not open_console(stderr=True).is_dumb_terminal


@contextlib.contextmanager
def watch(
    output: str,
    *,
    quiet: bool,
    seconds: float | None = None,
    line_seconds: float = LINE_SECONDS,
    looker: Callable[[str], Looker] = Watcher,
) -> Iterator[None]:
    """Shows on standard error how far a run is, for as long as the context lasts.

    A progress bar on a terminal, else a line every ``line_seconds`` and one at the end. A thread of
    its own does all of it, looks every so many seconds, and whatever goes wrong there, the run
    goes on. ``looker`` makes of the output what looks at it.
    """
    if quiet:
        yield
        return
    seconds = look_seconds(output) if seconds is None else seconds
    follower = _Follower(output, looker, seconds=seconds, line_seconds=line_seconds)
    follower.begin()
    succeeded = False
    try:
        yield
        succeeded = True
    finally:
        follower.end(succeeded=succeeded)


class _Follower:
    """The thread that looks and shows."""

    def __init__(
        self,
        output: str,
        looker: Callable[[str], Looker],
        *,
        seconds: float,
        line_seconds: float,
    ) -> None:
        self._output = output
        self._looker = looker
        self._seconds = seconds
        self._line_seconds = line_seconds
        self._ready = threading.Event()
        self._ended = threading.Event()
        self._failed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="progress", daemon=True)

    def begin(self) -> None:
        """Returns once it is known what an earlier run has left."""
        self._thread.start()
        self._ready.wait(_END_SECONDS)

    def end(self, *, succeeded: bool) -> None:
        """Looks a last time if the run has succeeded, and shows the end."""
        if not succeeded:
            self._failed.set()
        self._ended.set()
        self._thread.join(_END_SECONDS if succeeded else _GIVE_UP_SECONDS)

    def _run(self) -> None:
        try:
            watcher = self._looker(self._output)
            self._ready.set()
            with _bar() if is_drawn_on() else _lines(self._line_seconds) as show:
                self._follow(watcher, show)
        except Exception:
            _LOGGER.debug("Progress is no longer shown", exc_info=True)
        finally:
            self._ready.set()

    def _follow(self, watcher: Looker, show: _Show) -> None:
        progress: RunProgress | None = None
        while True:
            is_last = self._ended.is_set()
            began = time.monotonic()
            if not self._failed.is_set():
                try:
                    progress = watcher.look()
                except Exception:
                    _LOGGER.debug("No progress from %s", self._output, exc_info=True)
            show(progress, ended=is_last)
            if is_last:
                return
            looking = time.monotonic() - began
            self._ended.wait(max(self._seconds, looking / _MOST_LOOKING))
