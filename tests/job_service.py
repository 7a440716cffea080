"""A job service of Beam's own, as a process; for jobs that do not live in their launcher's.

A module says ``pytest_plugins = ("tests.job_service",)`` and takes the fixture ``job_service``.

PYTEST_DONT_REWRITE: test modules import names from here before pytest does.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

WORKER = f"{sys.executable} -m apache_beam.runners.worker.sdk_worker_main"


@pytest.fixture(scope="session")
def job_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Its address; jobs run in worker processes that it starts."""
    folder = tmp_path_factory.mktemp("job_service")
    port = folder / "port"
    command = [sys.executable, "-m", "apache_beam.runners.portability.local_job_service_main"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [*command, "--port_file", str(port)], stdout=log, stderr=log, start_new_session=True
        )
    try:
        yield f"localhost:{_content(port, process)}"
    finally:
        process.kill()
        process.wait()


def flags(address: str) -> list[str]:
    """Beam's flags for a job there."""
    return [
        "--runner=PortableRunner",
        f"--job_endpoint={address}",
        "--environment_type=beam:env:harness_subprocess_python:v1",
        f"--environment_config={WORKER}",
    ]


def _content(file: Path, process: subprocess.Popen[bytes]) -> str:
    deadline = time.monotonic() + 60
    while not (file.exists() and file.read_text()):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return file.read_text()
