"""Parts that vanish or are cut short are named, never committed, and made again by a resume."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import pytest

from tests.faults.conftest import Job, write_pictures
from tests.faults.injections import lose_part

pytestmark = pytest.mark.slow

NAMES = [f"{number:04}.png" for number in range(12)]


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Eleven good ones, and one that fails."""
    folder = write_pictures(tmp_path / "in", 12)
    (folder / NAMES[5]).write_bytes(b"no picture")
    return folder


@pytest.mark.usefixtures("colour_engine", "pictures")
@pytest.mark.parametrize("cut", [None, 0, 100], ids=["deleted", "emptied", "truncated"])
@pytest.mark.parametrize("dataset", ["masks", "failures", "class_areas"])
def test_before_the_commit(
    dataset: str, cut: int | None, job: Job, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        lose_part(patch, dataset, cut)
        assert job.main() == 1
    line = capfd.readouterr().err.strip()
    assert "\n" not in line
    assert f"{dataset}/part-" in line
    assert "resume" in line
    assert not job.is_committed()
    assert job.main("--resume", "--max_failure_fraction=1") == 0
    job.assert_each_once(*NAMES)
    assert job.codes() == {NAMES[5]: "UNSUPPORTED_FORMAT"}


@pytest.mark.usefixtures("colour_engine", "pictures")
@pytest.mark.parametrize("dataset", ["masks", "failures", "class_areas"])
@pytest.mark.parametrize("cut", [None, 100], ids=["deleted", "truncated"])
def test_before_a_resume_of_a_committed_run(
    dataset: str, cut: int | None, job: Job, caplog: pytest.LogCaptureFixture
) -> None:
    assert job.main("--max_failure_fraction=1") == 0
    rows = {name: job.rows(name) for name in ("masks", "failures", "class_areas")}
    failures = {path.name for path in job.output.glob("failures/*")}
    victim = sorted(job.output.glob(f"{dataset}/part-*.parquet"))[0]
    victim.unlink() if cut is None else os.truncate(victim, cut)
    others = {path: part for path, part in job.parts().items() if victim.name not in path}

    with caplog.at_level(logging.WARNING, "beam_deeplab.transforms.runs.resuming"):
        assert job.main("--resume", "--max_failure_fraction=1") == 0
    (said,) = {record.getMessage() for record in caplog.records}
    fate = "missing" if cut is None else "damaged"
    assert said == f"Done again: {dataset}/{victim.name} is {fate}"
    for name, before in rows.items():
        assert job.rows(name) == before
    job.assert_each_once(*NAMES)
    # The shard of the failure gives it up, to be tried again.
    shard_of_failure = {path for path in others if Path(path).name in failures}
    standing = job.parts()
    for path in others.keys() - shard_of_failure:
        assert standing[path] == others[path]
    assert job.manifest().counts["planned"] <= 5


@pytest.mark.usefixtures("colour_engine", "pictures")
def test_all_parts_of_a_shard_before_a_resume(job: Job) -> None:
    """Nothing but the inputs tells that they ever stood."""
    assert job.main("--max_failure_fraction=1") == 0
    victim = sorted(job.output.glob("masks/*"))[0].name
    for path in job.output.glob(f"*/{victim}"):
        path.unlink()
    assert job.main("--resume", "--max_failure_fraction=1") == 0
    job.assert_each_once(*NAMES)


@pytest.mark.usefixtures("colour_engine", "pictures")
def test_a_part_that_is_no_parquet_file_of_ours_is_replaced(job: Job) -> None:
    assert job.main("--max_failure_fraction=1") == 0
    sorted(job.output.glob("masks/*"))[0].write_bytes(b"PAR1" + bytes(1000) + b"PAR1")
    (job.output / "masks" / f"part-{'0' * 16}.parquet").write_bytes(b"")
    assert job.main("--resume", "--max_failure_fraction=1") == 0
    job.assert_each_once(*NAMES)
