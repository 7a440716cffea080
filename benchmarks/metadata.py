"""What a large collection costs besides its pictures: planning, resume and commit, in steps.

The real steps (:mod:`benchmarks.metadata_steps`) on Beam's local runner. Four jobs over each
collection, each in a fresh process:

* ``fresh``: into an empty output;
* ``resumed``: the same again, over the finished output;
* ``begun``: the output was cut short; 4,000 of its shards were begun and never finished;
* ``bare``: Beam alone, with elements of the same number and size through as many shuffles.

The clock of ``plan`` stops where the last shard is planned, that of ``write`` where the last one
is durable. Memory is the largest that the process has held until then, beyond what it held before
the job: the local runner keeps its shuffles in the process, all of them until the job's end. Calls
of the storage are counted: on object stores each is a request, a listing one a thousand names.

``METADATA_IMAGES`` names other numbers of images than 1 and 3 million.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NamedTuple

from benchmarks.children import Child, peak_bytes, reset_peak_memory, resident_bytes
from benchmarks.measurement import Measurement, Row, Settings
from benchmarks.metadata_steps import build_bare, build_steps, cut_short, write_lists
from benchmarks.suite import run_alone

SHARD_SIZE: Final = 512

_COUNTS: Final = (1_000_000, 3_000_000)
_BEGUN: Final = 4_000
_BEGUN_IMAGES: Final = 1_000_000
_BEGUN_SHARD: Final = 64
_STORAGE: Final = (
    "read",
    "versions",
    "write_atomically",
    "create_if_absent",
    "list_folder",
    "delete",
    "exists",
    "open_seekable",
)
_WORKERS: Final = 2


def measure(settings: Settings) -> Measurement:
    counts = [int(each) for each in os.environ.get("METADATA_IMAGES", "").split()] or _COUNTS
    rows: list[Row] = []
    for images in counts:
        folder = settings.workspace / f"metadata-{images}"
        rows += [_row(job, images, folder, SHARD_SIZE) for job in ("fresh", "resumed", "bare")]
    folder = settings.workspace / "metadata-begun"
    _row("fresh", min(_BEGUN_IMAGES, *counts), folder, _BEGUN_SHARD)
    rows.append(_row("begun", min(_BEGUN_IMAGES, *counts), folder, _BEGUN_SHARD))
    return Measurement(
        name="metadata",
        title="Planning, resume and commit by number of images, local runner",
        rows=rows,
        notes=[
            "CPU seconds of the process; MB beyond what it held before the job, at most until "
            "the step's end.",
            f"begun: shards of {_BEGUN_SHARD} images, the others of {SHARD_SIZE}.",
        ],
    )


def _row(job: str, images: int, folder: Path, shard_size: int) -> Row:
    with Child(MetadataJob, images, folder, shard_size) as child:
        return child.call(MetadataJob.run, job)


class MetadataJob:
    """One job over a collection that exists by name only.

    Args:
        images: How many it has.
        folder: Where its lists and the output are.
        shard_size: Images a shard.
    """

    def __init__(self, images: int, folder: Path, shard_size: int) -> None:
        from beam_deeplab.transforms import storage

        self._images = images
        self._output = folder / "out"
        self._lists = folder / "lists"
        self._shard_size = shard_size
        self._calls = Counter[str]()
        if not self._lists.exists():
            write_lists(self._lists, images)
        for name in _STORAGE:
            setattr(storage, name, self._counted(name, getattr(storage, name)))

    def _counted(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*arguments: Any) -> Any:
            # The lists' own lines are not of the run; on gs:// listings answer them by the page.
            if name != "versions" or "/nowhere/" not in arguments[0][0]:
                self._calls[name] += 1
            return function(*arguments)

        return counted

    def run(self, job: str) -> Row:
        """Runs a job and says what it cost."""
        if job == "begun":
            cut_short(self._output, _BEGUN)
        self._import()
        self._calls.clear()
        _MOMENTS.clear()
        reset_peak_memory()
        held = resident_bytes()
        start = _Moment.now()
        with _pipeline() as pipeline:
            if job == "bare":
                build_bare(pipeline, self._lists, self._shard_size)
            else:
                self._build_steps(pipeline, resume=job != "fresh")
        end = _Moment.now()
        planned = _MOMENTS.get("planned", end)
        written = _MOMENTS.get("written", planned)
        million = self._images / 1e6
        calls = self._calls.total() - self._calls["list_folder"]
        return {
            "job": job,
            "images": self._images,
            "wall s": end.wall - start.wall,
            "plan CPU s": planned.cpu - start.cpu,
            "write CPU s": written.cpu - planned.cpu,
            "commit CPU s": end.cpu - written.cpu,
            "CPU s a million": (end.cpu - start.cpu) / million,
            "plan MB": (planned.peak - held) / 1e6,
            "write MB": (written.peak - held) / 1e6,
            "commit MB": (end.peak - held) / 1e6,
            "MB a million": (end.peak - held) / 1e6 / million,
            "process MB": end.peak / 1e6,
            "files": len(list(self._output.rglob("part-*"))) if job != "bare" else None,
            "listings": self._calls["list_folder"],
            "other calls a million": calls / million,
        }

    def _import(self) -> None:
        """Runs a job over nothing, so that no import is measured."""
        import apache_beam as beam

        from beam_deeplab.transforms.runs.committing import CommitRun  # noqa: F401
        from beam_deeplab.transforms.runs.planning import PlanRun  # noqa: F401

        with _pipeline() as pipeline:
            pipeline | beam.Create([0]) | beam.Reshuffle()

    def _build_steps(self, pipeline: Any, *, resume: bool) -> None:
        import apache_beam as beam

        plan, parts = build_steps(
            pipeline, self._lists, self._output, self._shard_size, resume=resume
        )
        plan.summary | "Opened" >> beam.Map(_note, "planned")
        plan.shards | "Planned" >> beam.Map(_note, "planned")
        parts | "Written" >> beam.Map(_note, "written")


class _Moment(NamedTuple):
    """A point in time: seconds, CPU seconds of all threads, the largest memory until then."""

    wall: float
    cpu: float
    peak: int

    @classmethod
    def now(cls) -> _Moment:
        return cls(time.perf_counter(), time.process_time(), peak_bytes())


_MOMENTS: dict[str, _Moment] = {}
"""When each step was last seen at work."""


def _note(_: Any, step: str) -> None:
    _MOMENTS[step] = _Moment.now()


def _pipeline() -> Any:
    import apache_beam as beam
    from apache_beam.options.pipeline_options import PipelineOptions

    flags = ["--direct_running_mode=in_memory", f"--direct_num_workers={_WORKERS}"]
    return beam.Pipeline(runner="FnApiRunner", options=PipelineOptions(flags))


if __name__ == "__main__":
    run_alone(measure)
