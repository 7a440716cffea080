"""A job that goes on without its launcher: said, kept apart from other writers, cancelled."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest
from apache_beam.options.pipeline_options import PipelineOptions

from beam_deeplab.pipeline.options import UsageError
from beam_deeplab.pipeline.remote_jobs import RemoteJob
from beam_deeplab.pipeline.writers import check_free
from beam_deeplab.transforms.runs import attempts
from beam_deeplab.transforms.runs.writer import take, this_process
from tests.faults.conftest import ended
from tests.forking import Forked
from tests.job_service import flags

pytest_plugins = ("tests.job_service",)

NOBODY = "localhost:1"
NOTE = Path("attempts", "writer-1.json")
STARTED = "2026-01-01T00:00:00.000+00:00"
JOB = RemoteJob("job-7", NOBODY)
OTHER_JOB = replace(this_process(STARTED), job={"name": "of a later version"}).to_json().decode()

_LAUNCHER = """
import pathlib, signal, sys, time
import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions
from beam_deeplab.pipeline import cli, stopping
from beam_deeplab.pipeline.launch import run_to_end
from beam_deeplab.pipeline.writers import writing

def wait(name):
    while not pathlib.Path(name).exists():
        time.sleep(0.05)

def job(argv):
    output, gate, *flags = argv
    options = PipelineOptions(flags)
    pipeline = beam.Pipeline(options=options)
    pipeline | beam.Create([gate]) | beam.Map(wait)
    with writing(output, options, "2026-01-01", frozenset()) as claim:
        run_to_end(pipeline, claim, quiet=False, verbose=False)
    return 0

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background ignores it
cli._run = job
sys.exit(cli.main())
"""


@pytest.fixture
def launcher(job_service: str, tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A program whose job waits for a gate that nobody opens."""
    arguments = [str(tmp_path), str(tmp_path / "gate"), *flags(job_service)]
    command = [sys.executable, "-c", _LAUNCHER, *arguments]
    process = Forked(command, stderr=subprocess.PIPE, start_new_session=True)
    with ended(process):
        yield process


def _job_of(output: Path) -> dict[str, str]:
    """What the note says of the job."""
    job: dict[str, str] = json.loads((output / NOTE).read_text())["job"]
    return job


def _note(output: Path, job: RemoteJob) -> None:
    take(str(output), replace(this_process(STARTED), job=asdict(job)))


def _next_line(process: subprocess.Popen[str]) -> str:
    assert process.stderr is not None
    return process.stderr.readline().strip()


def _refusal(output: Path) -> str:
    with pytest.raises(UsageError) as error:
        check_free(str(output), PipelineOptions([]))
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.slow
def test_an_interrupt_leaves_the_job_and_a_second_cancels_it(
    launcher: subprocess.Popen[str], job_service: str, tmp_path: Path
) -> None:
    line = _next_line(launcher)
    job = _job_of(tmp_path)
    assert line == f"beam-deeplab: job {job['id']} on {job_service}"
    assert "still writes" in _refusal(tmp_path)
    assert job["id"] in _refusal(tmp_path)
    launcher.send_signal(signal.SIGINT)
    line = _next_line(launcher)
    assert f"{job['id']} on {job_service} goes on" in line
    assert "interrupt once more" in line
    launcher.send_signal(signal.SIGINT)
    assert "is cancelled" in _next_line(launcher)
    assert launcher.wait(60) == 130
    check_free(str(tmp_path), PipelineOptions([]))


def test_sigterm_leaves_the_job_at_once(
    launcher: subprocess.Popen[str], job_service: str, tmp_path: Path
) -> None:
    _next_line(launcher)
    launcher.send_signal(signal.SIGTERM)
    line = _next_line(launcher)
    assert line.startswith("beam-deeplab: ended by SIGTERM; job ")
    assert "goes on" in line
    assert launcher.wait(60) == 143
    assert "still writes" in _refusal(tmp_path)
    (tmp_path / "gate").touch()


@pytest.mark.slow
def test_a_job_that_has_ended_is_forgotten(launcher: subprocess.Popen[str], tmp_path: Path) -> None:
    (tmp_path / "gate").touch()
    assert launcher.wait(60) == 0
    assert not (tmp_path / NOTE).exists()


def test_a_runner_that_cannot_be_asked_is_no_yes(tmp_path: Path) -> None:
    _note(tmp_path, JOB)
    line = _refusal(tmp_path)
    for words in ("job-7", NOBODY, STARTED, "cannot be asked", str(tmp_path / NOTE)):
        assert words in line


@pytest.mark.parametrize("content", ["", "{", "[]", '{"id": 1}', OTHER_JOB])
def test_a_damaged_note_is_named(content: str, tmp_path: Path) -> None:
    _note(tmp_path, JOB)
    (tmp_path / NOTE).write_text(content)
    assert "is not a file of beam-deeplab" in _refusal(tmp_path)


def test_a_commit_clears_the_job_and_a_resume_does_not(tmp_path: Path) -> None:
    _note(tmp_path, JOB)
    attempts.clear(str(tmp_path), keep_writer=True)
    assert (tmp_path / NOTE).exists()
    attempts.clear(str(tmp_path))
    assert list((tmp_path / "attempts").iterdir()) == []


class _Dataflow(BaseHTTPRequestHandler):
    """The one answer of Dataflow's API that is needed."""

    state = "JOB_STATE_RUNNING"

    def do_GET(self) -> None:
        found = self.path.startswith("/v1b3/projects/my-project/locations/europe-west4/jobs/7")
        self.send_response(200 if found else 404)
        self.end_headers()
        self.wfile.write(json.dumps({"id": "7", "currentState": self.state}).encode())

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.mark.parametrize(
    ("state", "runs"),
    [
        ("JOB_STATE_RUNNING", True),
        ("JOB_STATE_CANCELLING", True),
        ("JOB_STATE_PENDING", True),
        ("JOB_STATE_DONE", False),
        ("JOB_STATE_FAILED", False),
        ("JOB_STATE_CANCELLED", False),
    ],
)
def test_dataflow_is_asked_by_the_job_s_own_project_and_region(
    state: str, runs: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_Dataflow, "state", state)
    with HTTPServer(("localhost", 0), _Dataflow) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        endpoint = f"http://localhost:{server.server_port}"
        job = RemoteJob("7", endpoint, "my-project", "europe-west4")
        _note(tmp_path, job)
        options = PipelineOptions(["--no_auth", "--project=another", "--region=us-east1"])
        if not runs:
            check_free(str(tmp_path), options)
        else:
            with pytest.raises(UsageError) as error:
                check_free(str(tmp_path), options)
            for words in (
                "dataflow/jobs/europe-west4/7?project=my-project",
                "gcloud dataflow jobs cancel 7 --project=my-project --region=europe-west4",
            ):
                assert words in str(error.value)
        server.shutdown()
    assert asdict(job)["project"] == "my-project"
