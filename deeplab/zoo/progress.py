"""How far a download is: a bar on a terminal, or nothing."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol, TypeAlias

Received: TypeAlias = Callable[[int], None]
"""Called with the bytes received so far, those of an earlier, resumed attempt included."""


class Progress(Protocol):
    """Shows one download: a context that lasts as long as the transfer."""

    def __call__(self, title: str, total: int | None, /) -> AbstractContextManager[Received]:
        """Begin to show a download.

        Args:
            title: What is downloaded.
            total: Its size in bytes; None if not known.

        Returns:
            A context that yields the function to report to.
        """
        ...


@contextmanager
def silent(title: str, total: int | None, /) -> Iterator[Received]:  # noqa: ARG001  (a Progress)
    """A :class:`Progress` that shows nothing."""
    yield lambda received: None  # noqa: ARG005  (a Received)


@contextmanager
def terminal_bar(title: str, total: int | None, /) -> Iterator[Received]:
    """A :class:`Progress` that draws a bar on standard error where that is a terminal."""
    if not sys.stderr.isatty():
        with silent(title, total) as received:
            yield received
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )
    from rich.progress import Progress as Bars

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Bars(*columns, console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task(title, total=total)
        yield lambda received: bars.update(task, completed=received)
