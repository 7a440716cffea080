"""TensorFlow without its greetings."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

_LOG_LEVEL = "TF_CPP_MIN_LOG_LEVEL"
_GREETING = re.compile(
    rb"WARNING: All log messages before absl::InitializeLog"
    rb"|(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+: )?[IWE](\d{4} \d\d:\d\d:\d+\.\d+ +\d+)? \S+:\d+\]"
    rb"|To enable the following instructions"
    rb"|\s*$"
)
"""How a line of its C++ log begins, with and without a time; and what follows on such lines."""

_LOCK = threading.Lock()
_DONE = threading.Event()


def import_tensorflow_quietly() -> None:
    """Imports TensorFlow and lets it look for GPUs, and drops what it logs meanwhile.

    It writes a dozen lines to the file descriptor of stderr before any setting of its own is in
    force, ``TF_CPP_MIN_LOG_LEVEL`` included, which would bury the line that a program has to
    say. What others write to stderr in the meantime comes out afterwards, and all of it if the
    import fails or ends the process. Where somebody else has imported it, the search for GPUs is
    still to be kept quiet. Whoever sets ``TF_CPP_MIN_LOG_LEVEL=0`` hears everything at once.

    Raises:
        ImportError: TensorFlow is not installed, or does not suit this machine.
    """
    with _LOCK:
        if _DONE.is_set():
            return
        if os.environ.setdefault(_LOG_LEVEL, "2") == "0":
            _import_and_look_for_gpus()
        else:
            _with_stderr_held(_import_and_look_for_gpus)
        _DONE.set()


def _import_and_look_for_gpus() -> None:
    import tensorflow as tf

    tf.config.list_physical_devices("GPU")


def _with_stderr_held(action: Callable[[], None]) -> None:
    sys.stderr.flush()
    stderr = os.dup(2)
    done = False
    with tempfile.NamedTemporaryFile() as held, _shown_at_death(held.name, stderr):
        os.dup2(held.fileno(), 2)
        try:
            action()
            done = True
        finally:
            sys.stderr.flush()
            os.dup2(stderr, 2)
            held.seek(0)
            said = held.read()
            os.write(stderr, without_greetings(said) if done else said)
            os.close(stderr)


@contextmanager
def _shown_at_death(held: str, stderr: int) -> Iterator[None]:
    """Has a shell wait that shows what is held if this process dies meanwhile, as at an abort."""
    command = ["/bin/sh", "-c", 'read -r done || { cat "$0"; rm -f "$0"; }', held]
    try:
        shell = subprocess.Popen(
            command, bufsize=0, stdin=subprocess.PIPE, stdout=stderr, stderr=stderr
        )
    except OSError:
        yield  # no such shell: a message at death is lost
        return
    with shell:
        try:
            yield
        finally:
            assert shell.stdin is not None
            with suppress(OSError):
                shell.stdin.write(b"done\n")


def without_greetings(said: bytes) -> bytes:
    """The lines of a log that are not of TensorFlow's C++ part, nor empty."""
    lines = said.splitlines(keepends=True)
    return b"".join(line for line in lines if not _GREETING.match(line))
