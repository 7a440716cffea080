"""What a large collection costs besides its pictures: planning, resume and commit, in steps.

The real steps run on Beam's local runner, from a Parquet list of URIs to a committed output, with a
stub for the network: each shard's parts are written by the real writer, of small masks. Four jobs
over each collection, each in a fresh process:

* ``fresh``: into an empty output;
* ``resumed``: the same again, over the finished output;
* ``begun``: the output was cut short; 4,000 of its shards were begun and never finished;
* ``bare``: Beam alone, with elements of the same number and size through as many shuffles.

The clock of ``plan`` stops where the first shard begins (or would have), that of ``write`` where
the last one is durable. Memory is the largest that the process has held until then, beyond what
it held before the job: the local runner keeps its shuffles in the process, all of them until the
job's end. Calls of the storage are counted: on object stores each is a request, a listing one a
thousand names.

``METADATA_IMAGES`` names other numbers of images than 1 and 3 million.
"""

from __future__ import annotations

import os
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

from benchmarks.children import Child, peak_bytes, reset_peak_memory, resident_bytes
from benchmarks.measurement import Measurement, Row, Settings
from benchmarks.suite import run_alone

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
        rows += [_row(job, images, folder, 512) for job in ("fresh", "resumed", "bare")]
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
            f"begun: shards of {_BEGUN_SHARD} images, the others of 512.",
        ],
    )


def _row(job: str, images: int, folder: Path, shard_size: int) -> Row:
    with Child(MetadataJob, images, folder, shard_size) as child:
        return child.call(MetadataJob.run, job)


class MetadataJob:
    """One job over a collection that exists by name only.

    Args:
        images: How many it has.
        folder: Where its list and the output are.
        shard_size: Images a shard.
    """

    def __init__(self, images: int, folder: Path, shard_size: int) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        from beam_deeplab.transforms import storage

        self._images = images
        self._output = folder / "out"
        self._list = folder / "images.parquet"
        self._shard_size = shard_size
        self._calls = Counter[str]()
        if not self._list.exists():
            folder.mkdir(parents=True)
            uris = [
                f"/nowhere/photos/{number // 1000:05}/IMG_{number:09}.jpg"
                for number in range(images)
            ]
            pq.write_table(pa.table({"image_uri": uris}), self._list)
        for name in _STORAGE:
            setattr(storage, name, self._counted(name, getattr(storage, name)))

    def _counted(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*arguments: Any) -> Any:
            # The list's own lines are not of the run; on gs:// listings answer them by the page.
            if name != "versions" or "/nowhere/" not in arguments[0][0]:
                self._calls[name] += 1
            return function(*arguments)

        return counted

    def run(self, job: str) -> Row:
        """Runs a job and says what it cost."""
        if job == "begun":
            self._cut_short()
        self._imported()
        self._calls.clear()
        _MOMENTS.clear()
        reset_peak_memory()
        held = resident_bytes()
        start = _Moment.now()
        if job == "bare":
            self._run_bare()
        else:
            self._run_steps(resume=job != "fresh")
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

    def _imported(self) -> None:
        """Has run a job before, over nothing, so that no import is measured."""
        import apache_beam as beam

        from beam_deeplab.transforms.runs.committing import CommitRun  # noqa: F401
        from beam_deeplab.transforms.runs.planning import PlanRun  # noqa: F401

        with _pipeline() as pipeline:
            pipeline | beam.Create([0]) | beam.Reshuffle()

    def _run_steps(self, *, resume: bool) -> None:
        import apache_beam as beam

        from beam_deeplab.transforms.runs.committing import CommitRun
        from beam_deeplab.transforms.runs.planning import PlanRun
        from beam_deeplab.transforms.runs.sharding import Sharding

        run = _run_record()
        with _pipeline() as pipeline:
            plan = (
                pipeline
                | beam.Create([str(self._list)])
                | PlanRun(str(self._output), run, Sharding(self._shard_size), resume)
            )
            plan.summary | "Planned" >> beam.Map(_note_planned)
            parts = (
                plan.shards
                | beam.Reshuffle()
                | "Write" >> beam.FlatMap(_write_stub, str(self._output), run.part_metadata())
            )
            (parts, plan.summary) | CommitRun(str(self._output), run)

    def _run_bare(self) -> None:
        import apache_beam as beam
        from apache_beam.pvalue import AsSingleton

        size = self._shard_size
        with _pipeline() as pipeline:
            met = (
                pipeline
                | beam.Create([str(self._list)])
                | "List" >> beam.FlatMap(_list_bare)
                | "ByBucket" >> beam.GroupByKey()
                | "Meet" >> beam.Map(_meet_bare)
            )
            count = met | "Count" >> beam.Map(_count_bare) | beam.CombineGlobally(sum)
            worked = (
                met
                | "Group" >> beam.Map(_group_bare, AsSingleton(count), size)
                | "ByGroup" >> beam.GroupByKey()
                | "Cut" >> beam.FlatMap(_cut_bare, size)
                | beam.Reshuffle()
                | "Work" >> beam.FlatMap(_work_bare).with_outputs("rows", main="uris")
            )
            worked.uris | "ByBucketAgain" >> beam.GroupByKey() | "Once" >> beam.Map(_count_bare)
            worked.rows | "ByFile" >> beam.GroupByKey() | "File" >> beam.Map(_count_bare)

    def _cut_short(self) -> None:
        """Leaves the output as a run does of which all workers were killed."""
        from beam_deeplab.transforms.records import Part, Shard
        from beam_deeplab.transforms.runs import attempts
        from beam_deeplab.transforms.runs.inventory import inspect_shards, list_shards, some_at_once

        output = str(self._output)
        (self._output / "manifest.json").unlink()
        for some in some_at_once(list_shards(output)[:_BEGUN]):
            for shard in inspect_shards(output, some):
                attempts.begin(output, Shard(shard.id, tuple(sorted(shard.known()))))
                for dataset in shard.parts:
                    (self._output / Part(dataset, shard.id, 0, 0).path).unlink()


class _Moment(NamedTuple):
    """A point in time: seconds, CPU seconds of all threads, the largest memory until then."""

    wall: float
    cpu: float
    peak: int

    @classmethod
    def now(cls) -> _Moment:
        return cls(time.perf_counter(), time.process_time(), peak_bytes())


_MOMENTS: dict[str, _Moment] = {}
"""When a step was done."""


def _note_planned(_: Any) -> None:
    _MOMENTS["planned"] = _Moment.now()


def _write_stub(shard: Any, output: str, run: dict[str, Any]) -> Iterator[Any]:
    from beam_deeplab.transforms.records import (
        ClassArea,
        Failure,
        FailureCode,
        Original,
        Segmentation,
        Stage,
    )
    from beam_deeplab.transforms.runs import attempts
    from beam_deeplab.transforms.runs.writing import write_shard

    if "written" not in _MOMENTS:
        _note_planned(None)
    attempts.begin(output, shard)
    areas = (ClassArea(0, "background", 900, 0.9, 0.95), ClassArea(1, "aeroplane", 100, 0.1, 0.8))
    rows: list[Any] = [
        Segmentation(ref, b"png", areas, Original(10, 100))
        if number % 256
        else Failure(ref, Stage.READ, FailureCode.NOT_FOUND, "no such file")
        for number, ref in enumerate(shard.refs, 1)
    ]
    yield from write_shard(output, shard.id, rows, run)
    attempts.finish(output, shard.id)
    _MOMENTS["written"] = _Moment.now()


def _list_bare(path: str) -> Iterator[Any]:
    from beam_deeplab.transforms.sources.image_lists import read_uris

    return ((zlib.crc32(uri.encode()) % 4096, ("input", uri, "", None)) for uri in read_uris(path))


def _meet_bare(bucket: Any) -> Any:
    return bucket[0], [(uri, version) for _, uri, version, _ in bucket[1]]


def _count_bare(group: Any) -> Any:
    return sum(1 if isinstance(each, bytes) else len(each) for each in group[1])


def _group_bare(bucket: Any, images: int, size: int) -> Any:
    return bucket[0] % (images // size // 8 + 1), bucket[1]


def _cut_bare(group: Any, size: int) -> Iterator[Any]:
    refs = sorted(ref for some in group[1] for ref in some)
    for start in range(0, len(refs), size):
        yield refs[start : start + size]


def _work_bare(shard: Any) -> Iterator[Any]:
    from apache_beam.pvalue import TaggedOutput

    for uri, _ in shard:
        yield zlib.crc32(uri.encode()) % 4096, [uri]
    yield TaggedOutput("rows", (0, os.urandom(50 * len(shard))))


def _pipeline() -> Any:
    import apache_beam as beam
    from apache_beam.options.pipeline_options import PipelineOptions

    flags = ["--direct_running_mode=in_memory", f"--direct_num_workers={_WORKERS}"]
    return beam.Pipeline(runner="FnApiRunner", options=PipelineOptions(flags))


def _run_record() -> Any:
    from beam_deeplab.deeplab.labels import VOC
    from beam_deeplab.transforms.runs.manifest import RunRecord

    labels = VOC.to_dict()
    return RunRecord(
        run_id="metadata",
        fingerprint="0" * 64,
        options={"labels": labels},
        settings={},
        model={"reference": "stub", "digest": "0" * 64, "labels": labels},
        versions={},
        started="2026-01-01T00:00:00.000+00:00",
        images_root="/nowhere/photos",
    )


if __name__ == "__main__":
    run_alone(measure)
