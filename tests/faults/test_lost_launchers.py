"""A job whose launcher is lost: it goes on, keeps its output, and can be followed to its end."""

from __future__ import annotations

import json
import shlex
import signal
import sys
from pathlib import Path

import pytest

from beam_deeplab.pipeline import attaching
from beam_deeplab.pipeline.progress.display import watch as show
from beam_deeplab.transforms.runs.writer import notes
from tests.faults.conftest import COLOUR_ENGINE, Job, ended, wait_until, write_pictures
from tests.job_service import flags

pytest_plugins = ("tests.job_service",)


@pytest.mark.slow
def test_a_job_whose_launcher_is_killed_keeps_its_output_and_blames_no_picture(
    job: Job,
    job_service: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its picture is open, alone and noted, as behind a run that was killed."""
    write_pictures(tmp_path / "in", 4)
    halted = {**COLOUR_ENGINE, "halt_after": {"images": 0, "sign": str(tmp_path / "halted")}}
    with ended(job.start("--quiet", faults=halted)) as killed:
        wait_until((tmp_path / "halted").exists, killed)
        killed.send_signal(signal.SIGKILL)

    held = {"gate": str(tmp_path / "gate"), "sign": str(tmp_path / "sign")}
    faults = json.dumps({**COLOUR_ENGINE, "hold_engine": held})
    worker = f"{sys.executable} -m tests.faults.worker {shlex.quote(faults)}"
    job.flags += [*flags(job_service)[:-1], f"--environment_config={worker}", "--shared_paths"]
    with ended(job.start("--resume")) as launcher:
        wait_until((tmp_path / "sign").exists, launcher)
        launcher.send_signal(signal.SIGKILL)
    (name,) = notes(str(job.output))
    noted = json.loads((job.output / "attempts" / name).read_text())["job"]["id"]
    suspects = list(job.output.glob("attempts/*.open-*"))
    assert len(suspects) == 1

    for again in ("--resume", "--overwrite"):
        assert job.main(again) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert f"job {noted} on {job_service}, begun " in line
        assert "`segment --attach` follows it" in line
    assert list(job.output.glob("attempts/*.open-*")) == suspects

    def watch(output: str, *, quiet: bool) -> object:
        (tmp_path / "gate").touch()
        return show(output, quiet=quiet)

    monkeypatch.setattr(attaching, "watch", watch)
    assert job.main("--attach") == 0
    job.assert_each_once(*(f"{number:04}.png" for number in range(4)))
    assert job.codes() == {}
    assert list(job.output.glob("attempts/*")) == []
