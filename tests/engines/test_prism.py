"""Beam's local runner Prism gives the rows of a run without it, and its end is one line."""

from __future__ import annotations

import os
import shutil
import signal
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from tests.engines.equality import assert_equal_rows, assert_equal_scores
from tests.faults.conftest import (
    COLOUR_ENGINE,
    Job,
    ended,
    wait_until,
    write_picture,
    write_pictures,
)

pytestmark = pytest.mark.engines

IMAGES = 12
DEADLINE = 4
WAIT = {**COLOUR_ENGINE, "wait_in_engine": {"seconds": DEADLINE + 2}}


@pytest.fixture
def local(job: Job, tmp_path: Path) -> Job:
    """The same job without Prism, into an output of its own."""
    write_pictures(tmp_path / "in", IMAGES)
    job.flags.append("--quiet")
    return replace(job, output=tmp_path / "local", flags=[*job.flags])


@pytest.fixture
def prism_job(prism_binary: Path, job: Job, local: Job) -> Job:
    flags = ["--runner=PrismRunner", f"--prism_location={prism_binary}"]
    return replace(job, flags=[*job.flags, *flags])


def test_rows_resume_and_scores_equal_those_without_it(
    prism_job: Job, local: Job, tmp_path: Path
) -> None:
    for number, flags in enumerate(([], ["--resume"])):
        write_picture(tmp_path / "in" / f"new{number}.png", 100 + number)
        for each in (local, prism_job):
            done = each.run(*flags, faults={})
            assert done.code == 0, done.stderr
        assert_equal_rows(prism_job, local)
    assert prism_job.manifest().counts["skipped"] == IMAGES + 1
    assert_equal_scores(prism_job, prism_job.flags[-2:], tmp_path)


def test_beam_s_direct_runner_takes_it(prism_job: Job, local: Job) -> None:
    direct = replace(prism_job, flags=[*local.flags, "--runner=DirectRunner", prism_job.flags[-1]])
    for each in (local, direct):
        done = each.run()
        assert done.code == 0, done.stderr
    assert_equal_rows(direct, local)


def test_a_run_that_dies_with_it_is_resumed(prism_job: Job, local: Job) -> None:
    halted = {**COLOUR_ENGINE, "halt_after": {"images": 6}}
    with ended(prism_job.start("--workers=1", faults=halted)) as process:
        wait_until(lambda: prism_job.names("masks"), process)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    kept = set(prism_job.names("masks"))
    for each in (local, prism_job):
        done = each.run(*(["--resume"] if each is prism_job else []))
        assert done.code == 0, done.stderr
    assert_equal_rows(prism_job, local)
    assert prism_job.manifest().counts["skipped"] >= len(kept) > 0


def test_its_death_is_one_line(prism_job: Job, local: Job, prism_binary: Path) -> None:
    halted = {**COLOUR_ENGINE, "halt_after": {"images": 0}}
    with ended(prism_job.start(faults=halted)) as process:
        wait_until((prism_job.output / "attempts" / "plan.json").exists, process)
        for child in psutil.Process(process.pid).children(recursive=True):
            if child.exe() == str(prism_binary):
                child.kill()
        assert process.wait(400) == 1
        assert process.stderr is not None
        lines = process.stderr.read().splitlines()
    assert len(lines) == 1, lines
    assert "--resume continues" in lines[0]


def test_a_model_that_vanishes_is_one_line_with_its_cause(
    prism_job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BEAM_DEEPLAB_CACHE", str(tmp_path / "cache"))
    prism_job.model = shutil.copytree(prism_job.model, tmp_path / "model")
    done = prism_job.run(faults={"lose_model": {"path": str(prism_job.model)}})
    assert done.code == 1
    assert str(prism_job.model) in done.line


def test_a_run_outlives_the_deadline_of_a_request(prism_job: Job) -> None:
    done = prism_job.run(faults={**WAIT, "shorten_deadline": {"seconds": DEADLINE}})
    assert done.code == 0, done.stderr
    assert len(prism_job.names("masks")) == IMAGES


def test_a_deadline_that_was_asked_for_is_said(prism_job: Job) -> None:
    done = prism_job.run(f"--job_server_timeout={DEADLINE}", faults=WAIT)
    assert done.code == 1
    assert "--job_server_timeout" in done.line
