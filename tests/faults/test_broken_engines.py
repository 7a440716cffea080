"""An engine that fails for all, or whose device has gone sick, stops its run."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.conftest import COLOUR_ENGINE, Job, write_pictures


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("no kernel for this", "the engine has failed for the last"),
        (
            "CUDA error: an illegal memory access was encountered",
            "the device has gone sick: RuntimeError: CUDA error",
        ),
    ],
)
def test_the_run_stops_with_the_engine_s_words_and_can_be_resumed(
    words: str, said: str, job: Job, tmp_path: Path
) -> None:
    pictures = write_pictures(tmp_path / "in", 300)
    broken = {"break_engine": {"batches": 3, "words": words}}
    stopped = job.run("--quiet", "--workers=2", faults={**COLOUR_ENGINE, **broken})
    assert stopped.code == 1
    assert said in stopped.line
    assert words in stopped.line
    assert "--resume continues" in stopped.line
    assert not job.is_committed()
    # At most each worker's first batch: only a second one shows that it is not the pictures.
    assert len(job.names("failures")) <= 2 * 64
    done = job.run("--resume", "--quiet")
    assert done.code == 0, done.stderr
    assert job.codes() == {}
    job.assert_each_once(*(path.name for path in pictures.iterdir()))
