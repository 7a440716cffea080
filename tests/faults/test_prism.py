"""Beam's local runner Prism: its deadline for requests is no deadline of a run."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tests.faults.conftest import COLOUR_ENGINE, Job, write_pictures

pytestmark = pytest.mark.slow

DEADLINE = 4


@pytest.fixture
def prism() -> str:
    """Its binary."""
    found = os.environ.get("BEAM_PRISM") or shutil.which("prism")
    if not found:
        pytest.skip(
            "set BEAM_PRISM to a binary of Prism (go install .../beam/sdks/v2/go/cmd/prism)"
        )
    return found


@pytest.fixture
def slow_job(prism: str, job: Job, tmp_path: Path) -> Job:
    """A run that takes longer than the deadline."""
    write_pictures(tmp_path / "in", 6)
    job.flags += ["--quiet", "--runner=PrismRunner", f"--prism_location={prism}"]
    return job


WAIT = {**COLOUR_ENGINE, "wait_in_engine": {"seconds": DEADLINE + 2}}


def test_a_run_outlives_the_deadline_of_a_request(slow_job: Job) -> None:
    done = slow_job.run(faults={**WAIT, "shorten_deadline": {"seconds": DEADLINE}})
    assert done.code == 0, done.stderr
    assert len(slow_job.names("masks")) == 6


def test_a_deadline_that_was_asked_for_is_said(slow_job: Job) -> None:
    done = slow_job.run(f"--job_server_timeout={DEADLINE}", faults=WAIT)
    assert done.code == 1
    assert "DEADLINE_EXCEEDED" in done.line
    assert "--job_server_timeout" in done.line
