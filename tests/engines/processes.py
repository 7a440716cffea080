"""Processes of an engine: each heads a group, has a log, and is ended with all it has started."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

import psutil

START_SECONDS: Final = 300.0

_LOOK_SECONDS: Final = 0.1

_DIES_WITH_US: Final = ("setpriv", "--pdeathsig=KILL") if shutil.which("setpriv") else ()
"""Before a command: who starts it may be killed itself."""

Found = TypeVar("Found")


@dataclass(frozen=True)
class EngineProcess:
    """A process that runs.

    Attributes:
        popen: The head of its group.
        log: What it says, on both streams.
    """

    popen: subprocess.Popen[bytes]
    log: Path

    def wait_for(self, pattern: str) -> re.Match[str]:
        """The first match in its log."""
        return wait_for(lambda: re.search(pattern, self.log.read_text(errors="replace")), self)

    def children(self) -> list[psutil.Process]:
        """All that it has started, and that they have."""
        return psutil.Process(self.popen.pid).children(recursive=True)

    def kill(self) -> None:
        """Ends its whole group, as a machine that is lost."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.popen.pid, signal.SIGKILL)
        self.popen.wait()


@contextlib.contextmanager
def started(command: Sequence[str], log: Path) -> Iterator[EngineProcess]:
    """Runs a command for as long as the context lasts."""
    with log.open("wb") as file:
        popen = subprocess.Popen(
            [*_DIES_WITH_US, *command],
            cwd=log.parent,  # Beam's boot program writes there
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    process = EngineProcess(popen, log)
    try:
        yield process
    finally:
        process.kill()


def wait_for(condition: Callable[[], Found | None], *processes: EngineProcess) -> Found:
    """What a condition gives once that is true.

    Raises:
        RuntimeError: One of the processes has ended, or it took too long.
    """
    deadline = time.monotonic() + START_SECONDS
    while not (found := condition()):
        for process in processes:
            if process.popen.poll() is not None:
                raise RuntimeError(f"ended: {process.log.read_text(errors='replace')[-2000:]}")
        if time.monotonic() > deadline:
            raise RuntimeError(f"waited {START_SECONDS:g} s for {[p.log.name for p in processes]}")
        threading.Event().wait(_LOOK_SECONDS)
    return found


def free_ports(count: int) -> list[int]:
    """Ports of this machine that nobody listens on."""
    with contextlib.ExitStack() as stack:
        sockets = [
            stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)
        ]
        return [each.getsockname()[1] for each in sockets]
