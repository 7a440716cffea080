"""An image that kills its process is found, costs itself, and is tried again when asked."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.faults.conftest import COLOUR_ENGINE, Job, write_picture, write_pictures
from tests.faults.injections import MARK

NAMES = [f"{number:04}.png" for number in range(10)]


def _resume_until_committed(job: Job, faults: Mapping[str, Any], *flags: str) -> int:
    """Runs that died before one did not."""
    for deaths in range(10):
        done = job.run("--resume", "--max_failure_fraction=1", "--quiet", *flags, faults=faults)
        if done.code == 0:
            return deaths
        assert done.code == -signal.SIGABRT, done.stderr
        assert not job.is_committed()
    raise AssertionError("it dies for ever")


@pytest.mark.slow
def test_a_decoder_that_aborts_on_one_image(job: Job, tmp_path: Path) -> None:
    folder = write_pictures(tmp_path / "in", 10)
    fatal = {**COLOUR_ENGINE, "abort_in_decoder": {"image": str(folder / NAMES[5])}}
    assert job.run("--quiet", faults=fatal).code == -signal.SIGABRT
    assert _resume_until_committed(job, fatal) == 2, "it is open, alone, at two deaths"
    job.assert_each_once(*NAMES)
    assert job.codes() == {NAMES[5]: "CRASHED"}
    (row,) = job.rows("failures")
    assert (row["stage"], row["message"]) == (
        "decode",
        "the process died while it worked on this image",
    )
    shards_of_failures = {path.name for path in job.output.glob("failures/*")}
    untouched = {
        path: part
        for path, part in job.parts().items()
        if Path(path).name not in shards_of_failures
    }
    assert len(untouched) == 2
    assert list((job.output / "attempts").glob("*")) == []

    mended = job.run("--resume", "--quiet")
    assert mended.code == 0, mended.stderr
    job.assert_each_once(*NAMES)
    assert job.codes() == {}
    assert job.manifest().counts["skipped"] == 9
    assert {path: job.parts()[path] for path in untouched} == untouched


@pytest.mark.slow
def test_an_engine_that_aborts_on_one_image(job: Job, tmp_path: Path) -> None:
    folder = write_pictures(tmp_path / "in", 10)
    write_picture(folder / NAMES[2], 2, first_pixel=MARK)
    fatal = {**COLOUR_ENGINE, "abort_in_engine": {}}
    assert job.run("--quiet", faults=fatal).code == -signal.SIGABRT
    assert _resume_until_committed(job, fatal) == 2, "it is open, alone, at two deaths"
    job.assert_each_once(*NAMES)
    assert job.codes() == {NAMES[2]: "CRASHED"}


@pytest.mark.slow
def test_fatal_images_in_several_shards_with_two_workers(job: Job, tmp_path: Path) -> None:
    """A thread whose image dies takes no innocent one of another thread with it."""
    folder = write_pictures(tmp_path / "in", 10)
    for name in (NAMES[1], NAMES[6]):
        write_picture(folder / name, 2, first_pixel=MARK)
    fatal = {**COLOUR_ENGINE, "abort_in_engine": {}}
    assert _resume_until_committed(job, fatal, "--direct_num_workers=2") <= 6
    job.assert_each_once(*NAMES)
    assert job.codes() == {NAMES[1]: "CRASHED", NAMES[6]: "CRASHED"}
