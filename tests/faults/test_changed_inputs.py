"""Resuming after the inputs changed: each image counted right, shown once, paid for once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from beam_deeplab.transforms import storage
from tests.faults.conftest import Job, touched, write_picture, write_pictures
from tests.faults.injections import log_inferred

NAMES = [f"{number:04}.png" for number in range(10)]


@pytest.fixture
def folder(job: Job, tmp_path: Path, colour_engine: pytest.MonkeyPatch) -> Path:
    """Ten images, one of which fails, in three shards; segmented and committed."""
    folder = write_pictures(tmp_path / "in", 10)
    (folder / NAMES[4]).write_bytes(b"no picture")
    assert job.main("--max_failure_fraction=1") == 0
    job.assert_each_once(*NAMES)
    log_inferred(colour_engine, str(tmp_path / "inferred.txt"))
    return folder


def _inferred(folder: Path) -> list[str]:
    log = (folder.parent / "inferred.txt").read_text().split()
    return sorted(Path(uri).name for uri in log)


def _counts(job: Job) -> dict[str, int]:
    counts = job.manifest().counts
    return {name: counts[name] for name in ("inputs", "planned", "skipped", "not_in_inputs")}


def test_an_image_changed(job: Job, folder: Path) -> None:
    before = {row["image_uri"]: row for row in job.rows("masks")}
    write_picture(folder / NAMES[0], 100)
    assert job.main("--resume", "--max_failure_fraction=1") == 0
    job.assert_each_once(*NAMES)
    assert _inferred(folder) == [NAMES[0]]
    assert _counts(job) == {"inputs": 10, "planned": 2, "skipped": 8, "not_in_inputs": 0}
    for row in job.rows("masks"):
        assert (row == before[row["image_uri"]]) == (Path(row["image_uri"]).name != NAMES[0])


def test_an_image_of_the_same_size_changed(job: Job, folder: Path) -> None:
    """Only its time tells."""
    content = (folder / NAMES[0]).read_bytes()
    (folder / NAMES[0]).write_bytes(content)
    touched(folder / NAMES[0], 1_000_000_000)
    assert job.main("--resume", "--max_failure_fraction=1") == 0
    job.assert_each_once(*NAMES)
    assert _inferred(folder) == [NAMES[0]]


@pytest.mark.slow
def test_an_image_added(job: Job, folder: Path) -> None:
    write_picture(folder / "0000a.png", 100)
    assert job.main("--resume", "--max_failure_fraction=1") == 0
    job.assert_each_once(*NAMES, "0000a.png")
    assert _inferred(folder) == ["0000a.png"]
    assert _counts(job) == {"inputs": 11, "planned": 2, "skipped": 9, "not_in_inputs": 0}


@pytest.mark.slow
def test_an_image_removed(job: Job, folder: Path) -> None:
    (folder / NAMES[0]).unlink()
    assert job.main("--resume", "--max_failure_fraction=1") == 0
    job.assert_each_once(*NAMES)
    assert _inferred(folder) == []
    assert _counts(job) == {"inputs": 9, "planned": 1, "skipped": 8, "not_in_inputs": 1}


def test_an_image_failed_and_mended(job: Job, folder: Path) -> None:
    write_picture(folder / NAMES[4], 4)
    assert job.main("--resume") == 0
    job.assert_each_once(*NAMES)
    assert _inferred(folder) == [NAMES[4]]
    assert job.manifest().counts["total_failures"] == 0
    assert list(job.output.glob("failures/part-*")) == []


def test_all_of_it_at_once_and_other_shards_and_workers(
    job: Job, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And at no moment from the first new shard on does a reader see an image twice."""
    write_picture(folder / NAMES[0], 100)
    write_picture(folder / "new.png", 200)
    write_picture(folder / NAMES[4], 4)
    (folder / NAMES[1]).unlink()
    (shard_of_the_last,) = (
        path.name for path in job.output.glob("masks/*") if NAMES[9] in _names_of(path)
    )
    untouched = {
        path: part for path, part in job.parts().items() if path.endswith(shard_of_the_last)
    }
    assert len(untouched) == 1
    _show_no_image_twice(job, monkeypatch)
    job.flags = ["--canvas", "33", "33", "--shard_size=3", "--direct_num_workers=2"]
    assert job.main("--resume") == 0
    job.assert_each_once(*NAMES, "new.png")
    assert _inferred(folder) == sorted([NAMES[0], NAMES[4], "new.png"])
    assert _counts(job) == {"inputs": 10, "planned": 3, "skipped": 7, "not_in_inputs": 1}
    assert {path: job.parts()[path] for path in untouched} == untouched


def _names_of(path: Path) -> list[str]:
    column = pq.read_table(path, columns=["image_uri"]).column("image_uri")
    return [Path(uri).name for uri in column.to_pylist()]


def _show_no_image_twice(job: Job, patch: pytest.MonkeyPatch) -> None:
    def watched(write: Callable[..., None]) -> Callable[..., None]:
        def writing(*arguments: object) -> None:
            write(*arguments)
            shown = job.names("masks") + job.names("failures")
            assert len(shown) == len(set(shown))

        return writing

    for name in ("write_atomically", "delete"):
        patch.setattr(storage, name, watched(getattr(storage, name)))


def test_nothing_to_do_commits_again(
    job: Job, tmp_path: Path, colour_engine: pytest.MonkeyPatch
) -> None:
    write_pictures(tmp_path / "in", 5)
    assert job.main() == 0
    first, parts = job.manifest(), job.parts()
    assert job.main("--resume") == 0
    again = job.manifest()
    assert job.parts() == parts
    assert (again.counts["skipped"], again.counts["planned"]) == (5, 0)
    assert again.parts == first.parts
    assert again.run_id == first.run_id
    assert again.committed > first.committed
    job.assert_each_once(*NAMES[:5])


def test_a_resume_of_nothing_is_a_run(
    job: Job, tmp_path: Path, colour_engine: pytest.MonkeyPatch
) -> None:
    write_pictures(tmp_path / "in", 3)
    assert job.main("--resume") == 0
    job.assert_each_once(*NAMES[:3])


def test_overwriting_removes_the_run_and_nothing_else(job: Job, folder: Path) -> None:
    theirs = [job.output / "notes.txt", job.output / "masks" / "mine.parquet"]
    theirs += [job.output / "masks" / "part-1.txt", job.output / "attempts" / "mine.json"]
    for path in theirs:
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"mine")
    first = job.manifest()
    for name in NAMES[3:]:
        (folder / name).unlink()
    assert job.main("--overwrite") == 0
    assert all(path.read_bytes() == b"mine" for path in theirs)
    theirs[1].unlink()
    job.assert_each_once(*NAMES[:3])
    assert job.manifest().run_id != first.run_id
    assert _counts(job) == {"inputs": 3, "planned": 3, "skipped": 0, "not_in_inputs": 0}
