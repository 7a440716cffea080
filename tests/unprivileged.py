"""File permissions that count even where root runs the tests."""

from __future__ import annotations

import contextlib
import ctypes
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

_NOBODY = 65534


@contextlib.contextmanager
def as_nobody() -> Iterator[None]:
    """This thread's files, and no other thread's, are met as by a user without rights.

    ``os.seteuid`` would change every thread of the process, and abort it where a library's thread
    does not take part.
    """
    if os.geteuid():
        yield
        return
    libc = ctypes.CDLL(None)
    libc.setfsuid(_NOBODY)
    try:
        yield
    finally:
        libc.setfsuid(0)


@contextlib.contextmanager
def open_folder() -> Iterator[Path]:
    """A folder that everyone can enter, unlike pytest's own."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)
