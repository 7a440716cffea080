"""An engine that starts a failed job again, by itself: what was durable is not paid for twice."""

from __future__ import annotations

import errno
from collections import Counter
from pathlib import Path
from typing import Any

import apache_beam as beam
import pytest

from beam_deeplab.transforms import storage
from tests.faults.conftest import Job, write_pictures
from tests.faults.injections import log_inferred


def _restarting(patch: pytest.MonkeyPatch, between: Any) -> None:
    """Each job is run again where it fails, as Flink does with all shards of a region."""
    run = beam.Pipeline.run

    def run_again(pipeline: beam.Pipeline) -> Any:
        try:
            result = run(pipeline)
            result.wait_until_finish()
        except Exception:
            between()
            result = run(pipeline)
        return result

    patch.setattr(beam.Pipeline, "run", run_again)


def _failing_once(patch: pytest.MonkeyPatch, parts: int) -> None:
    """A part cannot be written, and half of it stays behind, once so many stand."""
    write = storage.write_atomically
    written = 0

    def failing(uri: str, data: bytes) -> None:
        nonlocal written
        if "/masks/part-" in uri:
            written += 1
            if written == parts + 1:
                folder, _, name = uri.rpartition("/")
                Path(folder, f".{name}.{'0' * 16}.tmp").write_bytes(data[: len(data) // 2])
                raise OSError(errno.EIO, "Input/output error", uri)
        write(uri, data)

    patch.setattr(storage, "write_atomically", failing)


def test_a_job_that_is_started_again_reads_only_what_is_missing(
    job: Job, tmp_path: Path, colour_engine: pytest.MonkeyPatch
) -> None:
    write_pictures(tmp_path / "in", 24)
    log = tmp_path / "inferred.txt"
    log_inferred(colour_engine, str(log))
    _failing_once(colour_engine, parts=3)
    standing: dict[str, Any] = {}
    durable: list[str] = []

    def look() -> None:
        standing.update(job.parts())
        durable.extend(job.names("masks"))

    _restarting(colour_engine, look)
    assert job.main("--direct_num_workers=1") == 0
    job.assert_each_once(*(f"{number:04}.png" for number in range(24)))
    assert len(durable) == 12
    inferred = Counter(Path(uri).name for uri in log.read_text().split())
    assert {inferred[name] for name in durable} == {1}
    parts = job.parts()
    assert {path: parts[path] for path in standing} == standing
    assert list(job.output.rglob("*.tmp")) == []
    assert list(job.output.glob("attempts/*")) == []
