"""Images that cannot be segmented cost themselves and nothing else."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from beam_deeplab.transforms import storage
from beam_deeplab.transforms.records import FailureCode
from tests.corpus import bad_files
from tests.faults.conftest import Job, write_picture, write_pictures
from tests.faults.injections import MARK, is_marked, look_at_batches

GOOD, BAD = 900, 100


def _ten_ways(folder: Path) -> list[tuple[str, FailureCode]]:
    """What to write (a corpus name) or to do, and what comes of it."""
    corpus = {entry.name: entry for entry in bad_files()}
    chosen = [
        "empty.jpg",
        "text.jpg",
        "without-boxes.heic",
        "cut-to-50-percent-jpeg.jpg",
        "overwritten-jpeg.jpg",
        "flipped-png.png",
        "enormous.png",
        "jpeg-12-bit.jpg",
    ]
    return [
        *((name, corpus[name].code) for name in chosen),
        ("missing", FailureCode.NOT_FOUND),
        ("a folder", FailureCode.READ_ERROR),
    ]


@pytest.mark.slow
def test_100_bad_inputs_of_1000_in_ten_ways(job: Job, tmp_path: Path) -> None:
    """The real network, the real program; the inputs come from a list, which may name anything."""
    good = write_pictures(tmp_path / "good", GOOD)
    corpus = {entry.name: entry.data for entry in bad_files()}
    expected = {}
    for number in range(BAD):
        what, code = _ten_ways(tmp_path)[number % 10]
        path = tmp_path / "bad" / f"bad-{number:03}.png"
        path.parent.mkdir(exist_ok=True)
        expected[path.name] = str(code)
        if what == "a folder":
            path.mkdir()
        elif what != "missing":
            path.write_bytes(corpus[what])
    uris = [str(path) for path in sorted(good.iterdir())]
    spoilt = list(uris)
    for number, name in enumerate(expected):
        spoilt.insert(10 * number, str(tmp_path / "bad" / name))
    (tmp_path / "good.txt").write_text("\n".join(uris))
    (tmp_path / "spoilt.txt").write_text("\n".join(spoilt))

    job.inputs, job.flags = [str(tmp_path / "spoilt.txt")], ["--canvas", "33", "33"]
    done = job.run("--quiet", faults={})
    assert done.code == 1
    assert "100 of 1000 images failed, more than --max_failure_fraction=0.01 allows" in done.line
    assert job.codes() == expected
    counts = job.manifest().counts
    assert (counts["inputs"], counts["masks"], counts["failures"]) == (1000, GOOD, BAD)
    assert all(row["message"] and "\n" not in row["message"] for row in job.rows("failures"))

    clean = Job([str(tmp_path / "good.txt")], tmp_path / "clean", job.model, job.flags)
    assert clean.run("--quiet", faults={}).code == 0
    for dataset in ("masks", "class_areas"):
        assert job.rows(dataset) == clean.rows(dataset)


@pytest.mark.slow
def test_the_allowed_share_of_failures_decides_the_exit_code(
    job: Job, tmp_path: Path, colour_engine: pytest.MonkeyPatch
) -> None:
    folder = write_pictures(tmp_path / "in", 9)
    (folder / "bad.png").write_bytes(b"no picture")
    assert job.main() == 1
    assert job.is_committed()
    assert job.main("--resume", "--max_failure_fraction=0.1") == 0
    assert job.main("--resume", "--max_failure_fraction=0.0999") == 1
    assert job.main("--resume", "--max_failure_fraction=1") == 0
    job.assert_each_once(*(f"{number:04}.png" for number in range(9)), "bad.png")


def test_all_images_may_fail_if_that_is_allowed(
    job: Job, tmp_path: Path, colour_engine: pytest.MonkeyPatch
) -> None:
    (tmp_path / "in" / "bad.png").write_bytes(b"")
    assert job.main("--max_failure_fraction=1") == 0
    job.assert_each_once("bad.png")
    assert job.codes() == {"bad.png": "EMPTY"}


def test_duplicates_are_counted_and_segmented_once(
    job: Job, tmp_path: Path, colour_engine: pytest.MonkeyPatch
) -> None:
    folder = write_pictures(tmp_path / "in", 5)
    (tmp_path / "list.txt").write_text(f"{folder}/0001.png\n{folder}/0002.png\n")
    job.inputs += [str(tmp_path / "list.txt"), str(folder / "0001.png")]
    assert job.main() == 0
    job.assert_each_once(*(f"{number:04}.png" for number in range(5)))
    counts = job.manifest().counts
    assert (counts["inputs"], counts["duplicates"], counts["masks"]) == (5, 3, 5)


def test_failures_can_be_given_back_as_input(
    job: Job, tmp_path: Path, colour_engine: pytest.MonkeyPatch
) -> None:
    """The mended images alone, into an output of their own."""
    folder = write_pictures(tmp_path / "in", 6)
    for name in ("0002.png", "0005.png"):
        (folder / name).write_bytes(b"no picture")
    assert job.main() == 1
    write_picture(folder / "0002.png", 2)
    again = Job([str(job.output / "failures")], tmp_path / "again", job.model, job.flags)
    assert again.main() == 1
    again.assert_each_once("0002.png", "0005.png")
    assert again.codes() == {"0005.png": "UNSUPPORTED_FORMAT"}


def test_an_image_that_changes_after_it_was_listed_is_a_failure_until_the_next_resume(
    job: Job, tmp_path: Path, colour_engine: pytest.MonkeyPatch
) -> None:
    folder = write_pictures(tmp_path / "in", 4)
    read = storage.read_version

    def read_and_change_the_next(uri: str, version: str, *limits: int | None) -> tuple[bytes, str]:
        if uri.endswith("0000.png"):
            write_picture(folder / "0001.png", 100)
        return read(uri, version, *limits)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(storage, "read_version", read_and_change_the_next)
        assert job.main("--max_failure_fraction=1") == 0
    assert job.codes() == {"0001.png": "CHANGED"}
    assert job.main("--resume") == 0
    job.assert_each_once(*(f"{number:04}.png" for number in range(4)))


@pytest.mark.parametrize("position", [0, 7, 15])
def test_an_engine_that_raises_for_one_image_of_a_batch_of_16(
    position: int, job: Job, tmp_path: Path, colour_engine: pytest.MonkeyPatch
) -> None:
    folder = write_pictures(tmp_path / "in", 16)
    guilty = f"{position:04}.png"
    write_picture(folder / guilty, position, first_pixel=MARK)
    batches: list[int] = []

    def raise_for_the_marked(images: NDArray[np.float32]) -> None:
        batches.append(len(images))
        if is_marked(images).any():
            raise ValueError("cannot\ncompute this")

    look_at_batches(colour_engine, raise_for_the_marked)
    job.flags = ["--canvas", "33", "33", "--shard_size=16"]
    assert job.main("--max_failure_fraction=1") == 0
    assert max(batches) == 16
    assert job.codes() == {guilty: "INFERENCE_ERROR"}
    (row,) = job.rows("failures")
    assert (row["stage"], row["message"]) == ("infer", "ValueError: cannot compute this")
    job.assert_each_once(*(f"{number:04}.png" for number in range(16)))


def test_memory_for_four_images_is_learnt_once(
    job: Job,
    tmp_path: Path,
    colour_engine: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    write_pictures(tmp_path / "in", 48)
    batches: list[int] = []

    def run_out_of_memory(images: NDArray[np.float32]) -> None:
        batches.append(len(images))
        if len(images) > 4:
            raise RuntimeError("RESOURCE_EXHAUSTED: OOM when allocating tensor")

    look_at_batches(colour_engine, run_out_of_memory)
    # Two workers may both try what neither knows yet to be too much.
    job.flags = ["--canvas", "33", "33", "--shard_size=16", "--workers=1"]
    with caplog.at_level(logging.WARNING, "beam_deeplab.transforms.segmenting.inference"):
        assert job.main() == 0
    job.assert_each_once(*(f"{number:04}.png" for number in range(48)))
    too_large = [size for size in batches if size > 4]
    assert too_large == sorted(set(too_large), reverse=True), "learnt more than once"
    assert sum(size for size in batches if size <= 4) == 48
    assert sum("memory" in record.message for record in caplog.records) == 1


def test_an_unreadable_image_is_a_failure(
    job: Job, tmp_path: Path, colour_engine: pytest.MonkeyPatch
) -> None:
    folder = write_pictures(tmp_path / "in", 3)
    os.mkfifo(folder / "pipe.png")
    (tmp_path / "list.txt").write_text(f"{folder}/0000.png\n{folder}/pipe.png\n")
    job.inputs = [str(tmp_path / "list.txt")]
    assert job.main() == 1
    assert job.codes() == {"pipe.png": "READ_ERROR"}
