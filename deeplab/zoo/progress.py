"""How far a download is, on a terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def terminal_bar(title: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """Draws a bar on standard error, where that is a terminal, for as long as a download lasts.

    Args:
        title: What is downloaded.
        total: Its size in bytes; None if not known.

    Yields:
        What to call with the bytes received so far, those of an earlier, resumed attempt included.
    """
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task(title, total=total)
        yield lambda received: bars.update(task, completed=received)
