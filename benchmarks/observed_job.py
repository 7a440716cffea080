"""Our own program, run as users run it, with clocks at its seams.

``beam-deeplab segment`` is called in a child process with its own flags. Around it three of its
functions are wrapped to note the time, and change nothing: a shard's begin and finish
(:mod:`transforms.runs.attempts`), Beam's ``Pipeline.run`` (for the job's metrics) and the loading
of engines, which are kept, so that later runs of the same child do not load them again and the bare
engine that a pipeline is compared with is the very same object.

The clock of a rate starts when the first shard begins, with the model loaded, and stops when the
last one is durable; what is before it (Beam's graph, listing, loading) is start-up, and what
is behind it, the commit, is reported too.
"""

from __future__ import annotations

import importlib
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from beam_deeplab.deeplab.engines import available_cores, load_engine
from benchmarks.children import peak_bytes, reset_peak_memory


@dataclass(frozen=True)
class Moment:
    """A point in time.

    Attributes:
        wall: Seconds.
        cpu: Seconds of CPU of this process, all threads.
        machine_idle: Seconds that the machine's cores have idled, all together.
    """

    wall: float
    cpu: float
    machine_idle: float

    @classmethod
    def now(cls) -> Moment:
        """This one."""
        idle_ticks = int(Path("/proc/stat").read_text().split(maxsplit=5)[4])
        idle = idle_ticks / os.sysconf("SC_CLK_TCK")
        return cls(time.perf_counter(), time.process_time(), idle)


@dataclass(frozen=True)
class JobRun:
    """One run of the program.

    Attributes:
        images: How many it was given.
        start_up_seconds: From the call until the first shard began.
        seconds: From there until the last shard was durable.
        cpu_seconds: What this process computed in that time, all threads.
        commit_seconds: From there until the program returned.
        first_seconds: From the call until the first shard was durable.
        idle_share: Share of the cores' time that this process did not use between its first and
            its last finished shard, in [0, 1].
        machine_idle_share: The same of all processes together: lower where others ran too.
        peak_bytes: Largest resident memory.
        metrics: The job's own (:func:`transforms.metrics.job_metrics`): name to (count, total).
    """

    images: int
    start_up_seconds: float
    seconds: float
    cpu_seconds: float
    commit_seconds: float
    first_seconds: float
    idle_share: float
    machine_idle_share: float
    peak_bytes: int
    metrics: dict[str, tuple[int, int]]

    @property
    def images_per_second(self) -> float:
        """The rate without start-up."""
        return self.images / self.seconds


@dataclass
class _Clocks:
    begun: list[Moment] = field(default_factory=list)
    finished: list[Moment] = field(default_factory=list)
    results: list[Any] = field(default_factory=list)


class ObservedJob:
    """The program in this process.

    Args:
        model: What ``--model`` gets.
    """

    def __init__(self, model: Path) -> None:
        import apache_beam as beam

        from beam_deeplab.transforms.runs import attempts

        self._model = model
        self._clocks = _Clocks()
        self.engines: dict[Any, Any] = {}
        attempts.begin = self._noting_before(attempts.begin, lambda: self._clocks.begun)
        attempts.finish = self._noting_after(attempts.finish, lambda: self._clocks.finished)
        handler = importlib.import_module("beam_deeplab.transforms.segmenting.handler")
        vars(handler)["load_engine"] = self._keeping_engines(load_engine)
        run = beam.Pipeline.run

        def run_and_keep(pipeline: Any, *arguments: Any, **options: Any) -> Any:
            result = run(pipeline, *arguments, **options)
            self._clocks.results.append(result)
            return result

        beam.Pipeline.run = run_and_keep

    def run(self, photos: Sequence[Path], folder: Path, flags: Sequence[str] = ()) -> JobRun:
        """Segments photos into a folder that does not exist yet.

        Args:
            photos: Local files.
            folder: The output.
            flags: Further flags of ``beam-deeplab segment``.

        Raises:
            RuntimeError: The program failed, or not every photo has a mask.
        """
        from beam_deeplab.pipeline.commands import run
        from beam_deeplab.transforms.metrics import Spread, job_metrics

        listing = folder.with_suffix(".txt")
        listing.write_text("".join(f"{photo}\n" for photo in photos))
        self._clocks = clocks = _Clocks()
        reset_peak_memory()
        start = Moment.now()
        names = ["--input", str(listing), "--output", str(folder), "--model", str(self._model)]
        code = run(["segment", *names, "--quiet", *flags])
        end = Moment.now()
        metrics = job_metrics(clocks.results[-1])
        if code or metrics.get("masks") != len(photos):
            raise RuntimeError(f"exit code {code}, {metrics.get('masks')} of {len(photos)} masks")
        begun, first, last = clocks.begun[0], clocks.finished[0], clocks.finished[-1]
        steady = max(last.wall - first.wall, 1e-9)
        capacity = steady * available_cores()
        machine_idle = last.machine_idle - first.machine_idle
        return JobRun(
            images=len(photos),
            start_up_seconds=begun.wall - start.wall,
            seconds=last.wall - begun.wall,
            cpu_seconds=last.cpu - begun.cpu,
            commit_seconds=end.wall - last.wall,
            first_seconds=first.wall - start.wall,
            idle_share=1 - (last.cpu - first.cpu) / capacity,
            machine_idle_share=machine_idle / (steady * (os.cpu_count() or 1)),
            peak_bytes=peak_bytes(),
            metrics={
                name: (value.count, value.total)
                for name, value in metrics.items()
                if isinstance(value, Spread)
            },
        )

    def _keeping_engines(self, load: Callable[..., Any]) -> Callable[..., Any]:
        def load_once(*arguments: Any, **options: Any) -> Any:
            key = (repr(arguments), repr(sorted(options.items())))
            if key not in self.engines:
                self.engines[key] = load(*arguments, **options)
            return self.engines[key]

        return load_once

    def _noting_before(
        self, function: Callable[..., Any], moments: Callable[[], list[Moment]]
    ) -> Callable[..., Any]:
        def noting(*arguments: Any) -> Any:
            moments().append(Moment.now())
            return function(*arguments)

        return noting

    def _noting_after(
        self, function: Callable[..., Any], moments: Callable[[], list[Moment]]
    ) -> Callable[..., Any]:
        def noting(*arguments: Any) -> Any:
            result = function(*arguments)
            moments().append(Moment.now())
            return result

        return noting
