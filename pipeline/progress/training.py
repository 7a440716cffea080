"""How far a training is: a bar on a terminal, else a line now and then and one an epoch."""

from __future__ import annotations

import contextlib
import functools
import sys
import time
from collections.abc import Callable, Iterator

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)

from beam_deeplab.deeplab.training.state import EpochRecord
from beam_deeplab.pipeline.progress.display import (
    LINE_SECONDS,
    describe_rate,
    describe_seconds,
    is_drawn_on,
)
from beam_deeplab.pipeline.terminal import open_console

_SMOOTHING = 0.05
"""Weight of a step in the loss and the rate that are shown."""


def describe_epoch(record: EpochRecord, epochs: int) -> str:
    """An epoch in one line."""
    words = [f"epoch {record.epoch} of {epochs}", f"loss {record.loss:.4f}"]
    if record.miou is not None:
        words.append(f"mIoU {record.miou:.4f}")
    words.append(f"{record.images_per_second:.1f} images/s")
    return ", ".join(words)


@contextlib.contextmanager
def checking(total: int, *, quiet: bool) -> Iterator[Callable[[int], None]]:
    """A bar over the files that are checked, on a terminal; gives what is told of each."""
    with _bars(quiet=quiet) as bars:
        yield functools.partial(bars.advance, bars.add_task("checking the data", total=total))


class TrainingProgress:
    """Shows on standard error what a :class:`deeplab.training.trainer.Watcher` is told."""

    def __init__(self, *, quiet: bool, line_seconds: float = LINE_SECONDS) -> None:
        self._quiet = quiet
        self._line_seconds = line_seconds
        self._bars = _bars(quiet=quiet)
        self._task = TaskID(0)
        self._epochs = 0
        self._loss: float | None = None
        self._rate: float | None = None
        self._score = ""
        self._last_step = self._last_line = time.monotonic()

    def __enter__(self) -> TrainingProgress:
        self._bars.start()
        self._task = self._bars.add_task("building the network", total=None)
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    def began(self, steps: int, done: int, history: tuple[EpochRecord, ...], epochs: int) -> None:
        """Before the first step."""
        self._epochs = epochs
        if history:
            self._say(f"resumed behind epoch {history[-1].epoch} of {epochs}")
        self._bars.update(self._task, total=steps, completed=done, description="first step")
        self._last_step = self._last_line = time.monotonic()

    def stepped(self, loss: float, pictures: int) -> None:
        """After each step."""
        now = time.monotonic()
        if self._loss is None:
            # The first step builds the graph: its time tells nothing.
            self._loss = loss
        else:
            rate = pictures / max(now - self._last_step, 1e-9)
            before = self._rate if self._rate is not None else rate
            self._rate = before + _SMOOTHING * (rate - before)
            self._loss += _SMOOTHING * (loss - self._loss)
        self._last_step = now
        speed = "" if self._rate is None else f", {describe_rate(self._rate)} images/s"
        words = f"loss {self._loss:.4f}{self._score}{speed}"
        self._bars.update(self._task, advance=1, description=words)
        if self._bars.disable and self._rate and now - self._last_line >= self._line_seconds:
            self._last_line = now
            task = self._bars.tasks[self._task]
            left = describe_seconds((task.remaining or 0) * pictures / self._rate)
            self._say(f"step {task.completed:,.0f} of {task.total:,.0f}, {words}, {left} left")

    def validated(self, record: EpochRecord) -> None:
        """After each epoch."""
        if record.miou is not None:
            self._score = f", mIoU {record.miou:.4f}"
        self._say(describe_epoch(record, self._epochs))
        self._last_step = self._last_line = time.monotonic()

    def _say(self, line: str) -> None:
        if self._quiet:
            return
        if self._bars.disable:
            print(line, file=sys.stderr, flush=True)
        else:
            self._bars.console.print(line)


def _bars(*, quiet: bool) -> Progress:
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=None),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=open_console(stderr=True),
        expand=True,
        redirect_stdout=False,
        disable=quiet or not is_drawn_on(),
    )
