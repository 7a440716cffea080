"""Running one benchmark or several: flags, temporary folder, table, results."""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console

from beam_deeplab.deeplab.zoo import CACHE_VARIABLE
from benchmarks.measurement import Measurement, Settings
from benchmarks.results import RESULTS, record, show

Benchmark = Callable[[Settings], Measurement]


def run_alone(benchmark: Benchmark) -> None:
    """The main program of a benchmark's module."""
    run_all([benchmark], benchmark.__module__)


def run_all(benchmarks: Sequence[Benchmark], description: str) -> None:
    """Parses the command line, measures, prints each table and records it."""
    arguments = _parse(description)
    with _workspace() as workspace:
        settings = Settings(
            workspace=workspace,
            repeats=arguments.repeats,
            photos=arguments.photos,
            bars=arguments.bars,
        )
        for benchmark in benchmarks:
            start = time.perf_counter()
            measurement = benchmark(settings)
            show(measurement)
            if not arguments.dry:
                record(measurement, arguments.results)
            seconds = time.perf_counter() - start
            Console().print(f"[dim]{measurement.name}: {seconds:.0f} s[/dim]\n", highlight=False)


def _parse(description: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--bars", action="store_true", help="only what the ratios on top need")
    parser.add_argument("--repeats", type=int, default=3, help="turns of each contestant")
    parser.add_argument("--photos", type=int, default=200, help="photos in a pipeline's input")
    parser.add_argument("--dry", action="store_true", help="print, and record nothing")
    parser.add_argument("--results", type=Path, default=RESULTS, help="the file to record in")
    return parser.parse_args()


@contextmanager
def _workspace() -> Iterator[Path]:
    """A temporary folder, which also holds the program's cache so that the user's is not met."""
    before = os.environ.get(CACHE_VARIABLE)
    with tempfile.TemporaryDirectory(prefix="beam-deeplab-benchmarks-") as folder:
        os.environ[CACHE_VARIABLE] = str(Path(folder) / "cache")
        try:
            yield Path(folder)
        finally:
            if before is None:
                del os.environ[CACHE_VARIABLE]
            else:
                os.environ[CACHE_VARIABLE] = before
