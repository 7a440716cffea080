"""A Dataflow job from its launcher's side: who it is, what it says, and how it is left or ended."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.faults.conftest import ended, write_picture
from tests.forking import Forked
from tests.gcs_emulator import Gcs
from tests.pipeline.test_root_causes import DATAFLOW

pytest_plugins = ("tests.gcs_emulator",)
JOB = "2026-01-01_00_00_00-1"
CONSOLE = f"https://console.cloud.google.com/dataflow/jobs/europe-west4/{JOB}?project=my-project"


@dataclass
class Dataflow:
    """As much of Dataflow's API as a launcher asks for."""

    endpoint: str = ""
    state: str = "JOB_STATE_RUNNING"
    error: str = ""
    asked: list[tuple[str, str]] = field(default_factory=list)

    def answer(self, method: str, path: str, body: Any) -> Any:
        self.asked.append((method, path))
        if path.endswith("/messages"):
            message = {
                "id": "1",
                "time": "2026-01-01T00:00:00Z",
                "messageText": self.error,
                "messageImportance": "JOB_MESSAGE_ERROR",
            }
            return {"jobMessages": [message] if self.error else []}
        if method == "PUT":
            assert body["requestedState"] in (5, "JOB_STATE_CANCELLED")  # an enum by its number
            self.state = "JOB_STATE_CANCELLED"
        return {"id": JOB, "name": "job", "currentState": self.state}


@pytest.fixture
def dataflow() -> Iterator[Dataflow]:
    service = Dataflow()

    class Handler(BaseHTTPRequestHandler):
        def _serve(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            path = self.path.partition("?")[0]
            answer = service.answer(self.command, path, json.loads(body or b"null"))
            content = json.dumps(answer).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PUT = _serve  # noqa: N815

        def log_message(self, *arguments: object) -> None:
            pass

    with ThreadingHTTPServer(("localhost", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        service.endpoint = f"http://localhost:{server.server_port}"
        yield service
        server.shutdown()


def _start(bucket: Gcs, dataflow: Dataflow, folder: Path, *flags: str) -> subprocess.Popen[str]:
    write_picture(folder / "a.png", 1)
    bucket.put("photos/a.png", (folder / "a.png").read_bytes())
    asked = bucket.dataflow_job(f"--dataflow_endpoint={dataflow.endpoint}", "--no_auth", *flags)
    command = [sys.executable, "-m", "beam_deeplab", *asked]
    return Forked(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def _line(process: subprocess.Popen[str]) -> str:
    """The next of the program's own lines; those of progress between are left out."""
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("beam-deeplab: "):
            return line.strip()
    raise AssertionError("it said no more")


@pytest.mark.slow
def test_a_job_is_named_left_alone_and_cancelled(
    gcs_service_account: Gcs, dataflow: Dataflow, tmp_path: Path
) -> None:
    with ended(_start(gcs_service_account, dataflow, tmp_path)) as launcher:
        assert _line(launcher) == f"beam-deeplab: job {JOB} ({CONSOLE})"
        launcher.send_signal(signal.SIGINT)
        line = _line(launcher)
        assert f"job {JOB} ({CONSOLE}) goes on" in line
        assert f"gcloud dataflow jobs cancel {JOB} --project=my-project" in line
        for flag in ("--resume", "--overwrite"):
            with ended(_start(gcs_service_account, dataflow, tmp_path, flag)) as other:
                assert f"job {JOB} ({CONSOLE}), begun " in _line(other)
                assert other.wait(60) == 2
            assert gcs_service_account.get("masks/run.json") is not None
        assert dataflow.state == "JOB_STATE_RUNNING"


def test_a_second_interrupt_cancels_the_job(
    gcs_service_account: Gcs, dataflow: Dataflow, tmp_path: Path
) -> None:
    with ended(_start(gcs_service_account, dataflow, tmp_path)) as launcher:
        _line(launcher)
        launcher.send_signal(signal.SIGINT)
        _line(launcher)
        launcher.send_signal(signal.SIGINT)
        assert f"job {JOB} ({CONSOLE}) is cancelled" in _line(launcher)
        assert launcher.wait(60) == 130
    assert dataflow.state == "JOB_STATE_CANCELLED"
    assert gcs_service_account.get("masks/attempts/writer-1.json") is None


@pytest.mark.slow
def test_a_failed_job_says_its_cause_in_one_line(
    gcs_service_account: Gcs, dataflow: Dataflow, tmp_path: Path
) -> None:
    dataflow.error = DATAFLOW
    with ended(_start(gcs_service_account, dataflow, tmp_path)) as launcher:
        _line(launcher)
        dataflow.state = "JOB_STATE_FAILED"
        line = _line(launcher)
        assert re.match(
            r"beam-deeplab: ModelNotFound: gs://b/models/m: there is no such object \(", line
        )
        assert launcher.wait(60) == 1
    assert gcs_service_account.get("masks/attempts/writer-1.json") is None
