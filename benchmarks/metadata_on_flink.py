"""What ten million images cost besides their pictures, on a Flink cluster that spills its shuffles.

The real steps (:mod:`benchmarks.metadata_steps`) on the cluster that the tests start: two task
managers on this machine, each with Python workers of its own. A ``fresh`` job and a ``resumed`` one
over its finished output, for each number of images; and ``bare``, Beam alone.

``plan`` ends where the first worker of the stage that writes shards begins, ``commit`` begins where
its last one has ended: Flink starts a stage behind a shuffle when all before it is done. Memory is
that of the largest Python worker in each step, looked at twice a second; Java's is that of both
task managers together. CPU seconds are those of the Python workers; each ends with its stage.

``METADATA_IMAGES`` names other numbers of images than 1 and 10 million.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple

import psutil

from benchmarks.measurement import Measurement, Row, Settings
from benchmarks.metadata import SHARD_SIZE
from benchmarks.metadata_steps import WORK, build_bare, build_steps, write_lists
from benchmarks.suite import run_alone
from tests.engines.flink import FlinkCluster, Memory, flink_cluster

_COUNTS: Final = (1_000_000, 10_000_000)
_LOOK_SECONDS: Final = 0.5
_MEMORY: Final = Memory(heap=2048, managed=512, network=256, workers=1024)


def measure(settings: Settings) -> Measurement:
    counts = [int(each) for each in os.environ.get("METADATA_IMAGES", "").split()] or _COUNTS
    rows: list[Row] = []
    with flink_cluster(settings.workspace / "flink", _MEMORY) as cluster:
        for images in counts:
            folder = settings.workspace / f"metadata-{images}"
            write_lists(folder / "lists", images)
            rows += [_row(job, images, folder, cluster) for job in ("fresh", "resumed", "bare")]
    return Measurement(
        name="metadata_on_flink",
        title="Planning, resume and commit by number of images, Flink with two task managers",
        rows=rows,
        notes=["MB: the largest Python worker in each step; Java MB: both task managers."],
    )


def _row(job: str, images: int, folder: Path, cluster: FlinkCluster) -> Row:
    import apache_beam as beam

    from beam_deeplab.pipeline.beam_flags import pipeline_options

    flags = [*cluster.flags(parallelism=2), "--job_name", f"{job}-{images}"]
    pipeline = beam.Pipeline(options=pipeline_options(flags))
    if job == "bare":
        build_bare(pipeline, folder / "lists", SHARD_SIZE)
    else:
        build_steps(pipeline, folder / "lists", folder / "out", SHARD_SIZE, resume=job == "resumed")
    with _Watch.over(cluster) as watch:
        result = pipeline.run()
        state = result.wait_until_finish()
    if state != "DONE":
        raise SystemExit(f"{job} of {images:,} images ended as {state}")
    start, begun, done, end = _times(cluster)
    million = images / 1e6
    steps = {"plan": (start, begun), "write": (begun, done), "commit": (done, end)}
    row: Row = {"job": job, "images": images}
    row |= {f"{step} s a million": (to - of) / million for step, (of, to) in steps.items()}
    row |= {f"{step} MB": watch.peak(*times) / 1e6 for step, times in steps.items()}
    return row | {
        "worker MB": watch.peak(0, time.time()) / 1e6,
        "Java MB": max(look.java for look in watch.looks) / 1e6,
        "workers": len(watch.cpu_seconds),
        "CPU s a million": sum(watch.cpu_seconds.values()) / million,
        "files": len(list((folder / "out").rglob("part-*"))) if job != "bare" else None,
    }


def _times(cluster: FlinkCluster) -> tuple[float, float, float, float]:
    """When the last job began, its work began, that was done, and the job; seconds since 1970."""
    last = max(cluster.ask("jobs/overview")["jobs"], key=lambda each: each["start-time"])
    job = cluster.ask(f"jobs/{last['jid']}")
    work = [each for each in job["vertices"] if WORK in each["name"]]
    begun = min(each["start-time"] for each in work)
    done = max(each["end-time"] for each in work)
    return tuple(ms / 1000 for ms in (job["start-time"], begun, done, job["end-time"]))


class _Look(NamedTuple):
    """What processes held at a time: bytes."""

    time: float
    workers: dict[int, int]
    java: int


@dataclass
class _Watch:
    """Looks at a cluster's processes until it is stopped.

    Attributes:
        looks: What was seen.
        cpu_seconds: Of each worker, when it was last seen.
    """

    looks: list[_Look] = field(default_factory=list)
    cpu_seconds: dict[int, float] = field(default_factory=dict)

    @classmethod
    @contextlib.contextmanager
    def over(cls, cluster: FlinkCluster) -> Iterator[_Watch]:
        watch, stopped = cls(), threading.Event()

        def look() -> None:
            while not stopped.wait(_LOOK_SECONDS):
                watch._look(cluster)

        thread = threading.Thread(target=look, daemon=True)
        thread.start()
        try:
            yield watch
        finally:
            stopped.set()
            thread.join()

    def peak(self, of: float, to: float) -> int:
        """The most that one worker held between two times."""
        looks = [look for look in self.looks if of <= look.time <= to]
        return max((held for look in looks for held in look.workers.values()), default=0)

    def _look(self, cluster: FlinkCluster) -> None:
        workers: dict[int, int] = {}
        for worker in cluster.workers():
            with contextlib.suppress(psutil.Error):
                used = worker.cpu_times()
                self.cpu_seconds[worker.pid] = used.user + used.system
                workers[worker.pid] = worker.memory_info().rss
        java = [psutil.Process(each.popen.pid) for each in cluster.task_managers]
        self.looks.append(_Look(time.time(), workers, sum(_resident(java))))


def _resident(processes: Sequence[Any]) -> Iterator[int]:
    for process in processes:
        with contextlib.suppress(psutil.Error):
            yield process.memory_info().rss


if __name__ == "__main__":
    run_alone(measure)
