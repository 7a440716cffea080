"""Programs that start at once: forks of one process that has imported what they all need.

To import Beam takes three seconds of a CPU, TensorFlow as long again, and tests start some hundred
programs. A fork is a process of its own all the same, a child of the process that runs the test,
with its own session, folder, environment and files; only the imports are behind it. What a test
says about these, or about the start of Python, takes ``subprocess`` itself.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import gc
import importlib
import json
import os
import runpy
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.quick_beam import quicken_beam

BEAM = ("beam_deeplab.pipeline.segment", "beam_deeplab.pipeline.evaluate", "openvino")
NETWORKS = (*BEAM, "beam_deeplab.deeplab.quiet_tensorflow", "keras")

_MESSAGE_SIZE = 1 << 18
_PR_SET_CHILD_SUBREAPER = 36


class Forked(subprocess.Popen[str]):
    """``subprocess.Popen`` for ``[sys.executable, "-m" or "-c" or a path, …]``, text in and out.

    Args:
        command: The command.
        imports: The modules that are imported already.
        **options: Those of ``Popen`` that say where it runs and with which pipes.
    """

    def __init__(
        self, command: Sequence[str | Path], *, imports: Sequence[str] = BEAM, **options: Any
    ) -> None:
        self._imports = tuple(imports)
        super().__init__([str(each) for each in command], text=True, **options)

    def _execute_child(self, args: list[str], *options: Any) -> None:
        """Takes the place of a method that starts a process, with what Popen has made ready."""
        cwd, env = options[4:6]
        pipes = options[9:15]
        own_session = options[-2]
        streams = [pipes[0], pipes[3], pipes[5]]
        message = {
            "command": args[1:],
            "cwd": str(cwd or Path.cwd()),
            "environment": dict(os.environ if env is None else env),
            "own_session": own_session,
        }
        files = [number if given == -1 else given for number, given in enumerate(streams)]
        # What loses its parent becomes a child of the nearest process that asks for such.
        _adopt_orphans(True)
        try:
            self.pid = _fork(self._imports, json.dumps(message).encode(), files)
        finally:
            _adopt_orphans(False)
            self._close_pipe_fds(*pipes)  # type: ignore[attr-defined]
        self._child_created = True


def run(command: Sequence[str | Path], **options: Any) -> subprocess.CompletedProcess[str]:
    """``subprocess.run`` of a forked program; what it prints is captured."""
    pipe = subprocess.PIPE
    with Forked(command, stdout=pipe, stderr=pipe, **options) as process:
        stdout, stderr = process.communicate()
    return subprocess.CompletedProcess(process.args, process.returncode, stdout, stderr)


def _fork(imports: tuple[str, ...], message: bytes, files: Sequence[int]) -> int:
    """The number of a new program; by another process where the one that forks has ended."""
    for _ in range(2):
        connection = _origin(imports)
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            socket.send_fds(connection, [message], files)
            if number := connection.recv(_MESSAGE_SIZE):
                return int(number)
        _origin.cache_clear()
    raise ChildProcessError("no process can be had that forks programs")


def _adopt_orphans(wanted: bool) -> None:
    if ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, int(wanted), 0, 0, 0):
        raise OSError("programs cannot be forked on this system")


@functools.cache
def _origin(imports: tuple[str, ...]) -> socket.socket:
    """A connection to the process that has these imports; it ends with this one."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        subprocess.Popen(
            [sys.executable, "-m", __name__, str(theirs.fileno()), *imports],
            cwd=Path(__file__).parents[1],
            pass_fds=[theirs.fileno()],
            stdout=subprocess.PIPE,  # Python would remember a file's position, which a pipe has not
            start_new_session=True,
        )
    return ours


def _serve(connection: socket.socket) -> list[str]:
    """Forks at each message; returns in the fork, with its command."""
    while True:
        message, files, _, _ = socket.recv_fds(connection, _MESSAGE_SIZE, 3)
        if not message:
            sys.exit()
        read, write = os.pipe()
        if between := os.fork():
            os.close(write)
            for file in files:
                os.close(file)
            os.waitpid(between, 0)  # then the program has lost its parent, and found another
            connection.send(os.read(read, 20))
            os.close(read)
        elif program := os.fork():
            os.write(write, str(program).encode())
            os._exit(0)
        else:
            connection.close()
            for number, file in enumerate(files):
                os.dup2(file, number)
            os.closerange(3, os.sysconf("SC_OPEN_MAX"))
            return _become(json.loads(message))


def _become(message: dict[str, Any]) -> list[str]:
    if message["own_session"]:
        os.setsid()
    os.chdir(message["cwd"])
    os.environ.clear()
    os.environ.update(message["environment"])
    command: list[str] = message["command"]
    return command


def _run_as_main(command: list[str]) -> None:
    what, *arguments = command
    sys.path[0] = ""
    if what == "-c":
        sys.argv = ["-c", *arguments[1:]]
        exec(compile(arguments[0], "<string>", "exec"), {"__name__": "__main__"})
    elif what == "-m":
        sys.argv = arguments
        runpy.run_module(arguments[0], run_name="__main__", alter_sys=True)
    else:
        sys.argv = command
        runpy.run_path(what, run_name="__main__")


if __name__ == "__main__":
    os.environ["GRPC_VERBOSITY"] = "ERROR"
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for name in sys.argv[2:]:
        module = importlib.import_module(name)
        if name.endswith("quiet_tensorflow"):
            module.import_tensorflow_quietly()
    quicken_beam()
    gc.freeze()
    with socket.socket(fileno=int(sys.argv[1])) as listening:
        own_command = _serve(listening)
    _run_as_main(own_command)
