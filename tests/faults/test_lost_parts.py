"""Parts that vanish or are cut short are named, never committed, and made again by a resume."""

from __future__ import annotations

import errno
import logging
import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from tests.faults.conftest import Job, write_pictures
from tests.faults.injections import fail_to_open, lose_part, use_colour_engine

NAMES = [f"{number:04}.png" for number in range(12)]


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Eleven good ones, and one that fails."""
    folder = write_pictures(tmp_path / "in", 12)
    (folder / NAMES[5]).write_bytes(b"no picture")
    return folder


@pytest.fixture(scope="module")
def first_run(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Job:
    """A committed run over such pictures, which tests take copies of."""
    folder = tmp_path_factory.mktemp("first")
    write_pictures(folder / "in", 12)
    (folder / "in" / NAMES[5]).write_bytes(b"no picture")
    job = Job([str(folder / "in" / "*.png")], folder / "out", model)
    with pytest.MonkeyPatch.context() as patch:
        use_colour_engine(patch)
        assert job.main("--max_failure_fraction=1") == 0
    return job


@pytest.fixture
def committed(first_run: Job, tmp_path: Path) -> Job:
    output = shutil.copytree(first_run.output, tmp_path / "out")
    return replace(first_run, output=output)


@pytest.mark.slow
@pytest.mark.usefixtures("colour_engine", "pictures")
@pytest.mark.parametrize("cut", [None, 0, 100], ids=["deleted", "emptied", "truncated"])
@pytest.mark.parametrize("dataset", ["masks", "failures"])
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


@pytest.mark.slow
@pytest.mark.usefixtures("colour_engine")
@pytest.mark.parametrize("dataset", ["masks", "failures"])
@pytest.mark.parametrize("cut", [None, 100], ids=["deleted", "truncated"])
def test_before_a_resume_of_a_committed_run(
    dataset: str, cut: int | None, committed: Job, caplog: pytest.LogCaptureFixture
) -> None:
    job = committed
    rows = {name: job.rows(name) for name in ("masks", "failures", "class_areas", "images")}
    failures = {path.name for path in job.output.glob("failures/*")}
    # Of the one shard that has both: of another nothing would tell that it ever stood.
    (other,) = job.output.glob("failures/part-*.parquet")
    victim = job.output / dataset / other.name
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


@pytest.mark.usefixtures("colour_engine")
def test_all_parts_of_a_shard_before_a_resume(committed: Job) -> None:
    """Nothing but the inputs tells that they ever stood."""
    job = committed
    victim = sorted(job.output.glob("masks/*"))[0].name
    for path in job.output.glob(f"*/{victim}"):
        path.unlink()
    assert job.main("--resume", "--max_failure_fraction=1") == 0
    job.assert_each_once(*NAMES)


@pytest.mark.usefixtures("colour_engine")
def test_a_part_that_is_no_parquet_file_of_ours_is_replaced_when_asked(
    committed: Job, capfd: pytest.CaptureFixture[str]
) -> None:
    job = committed
    manifest = (job.output / "manifest.json").read_bytes()
    sorted(job.output.glob("masks/*"))[0].write_bytes(b"PAR1" + bytes(1000) + b"PAR1")
    (job.output / "masks" / f"part-{'0' * 16}.parquet").write_bytes(b"")
    before = job.parts()
    capfd.readouterr()
    assert job.main("--resume", "--max_failure_fraction=1") == 1
    line = capfd.readouterr().err.strip()
    assert "\n" not in line
    assert f"part-{'0' * 16}.parquet is damaged" in line
    assert line.endswith("give it up with --resume --discard_damaged (--verbose shows more)")
    assert job.parts() == before
    assert (job.output / "manifest.json").read_bytes() == manifest
    assert job.main("--resume", "--discard_damaged", "--max_failure_fraction=1") == 0
    job.assert_each_once(*NAMES)
    assert job.manifest().counts["discarded_parts"] == 1


@pytest.mark.slow
@pytest.mark.usefixtures("colour_engine")
@pytest.mark.parametrize("number", [errno.EACCES, errno.EIO, errno.EMFILE])
def test_a_committed_run_that_cannot_be_read_is_left_alone(
    number: int, committed: Job, capfd: pytest.CaptureFixture[str]
) -> None:
    """Also where its images are no longer among the inputs: nobody could make them again."""
    job = committed
    before = {path: path.read_bytes() for path in job.output.rglob("*") if path.is_file()}
    (pattern,) = job.inputs
    job.inputs = [pattern.replace("*", name) for name in ("000[1-9]", "001*")]
    with pytest.MonkeyPatch.context() as patch:
        fail_to_open(patch, number, "/masks/part-")
        assert job.main("--resume", "--max_failure_fraction=1") == 1
    line = capfd.readouterr().err.strip()
    assert "\n" not in line
    assert os.strerror(number) in line
    after = {path: path.read_bytes() for path in job.output.rglob("*") if path.is_file()}
    assert after == before
    assert job.main("--resume", "--max_failure_fraction=1") == 0
    job.assert_each_once(*NAMES)
