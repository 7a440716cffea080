"""What is left of a process that died: whether it ended by itself, or was killed from outside.

A crash writes its traceback into the note of the image that was open. The system's out-of-memory
killer leaves the process no time for that, but Linux counts its victims. What shows neither was
most likely killed by somebody, over an innocent image.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

_OOM_VICTIMS: Final = Path("/proc/vmstat")
_BOOT: Final = Path("/proc/sys/kernel/random/boot_id")


def circumstances() -> bytes:
    """One line on this machine as it is now, for a note that may be all that remains."""
    return json.dumps({"boot": _boot(), "oom_victims": _oom_victims()}).encode() + b"\n"


def ended_by_itself(note: bytes) -> bool:
    """Whether a note that outlived its process tells of a crash or of too little memory.

    It is a line of :func:`circumstances`, and what a crash has written behind it. False also where
    nothing can be told: of another machine, or of one that counts nothing.
    """
    line, _, traceback = note.partition(b"\n")
    if traceback:
        return True
    try:
        before = json.loads(line)
        return bool(before["boot"] == _boot() and before["oom_victims"] < _oom_victims())
    except (ValueError, TypeError, KeyError):
        return False


def _boot() -> str | None:
    try:
        return _BOOT.read_text().strip()
    except OSError:
        return None


def _oom_victims() -> int | None:
    try:
        counters = dict(line.split() for line in _OOM_VICTIMS.read_text().splitlines())
        return int(counters["oom_kill"])
    except (OSError, KeyError, ValueError):
        return None
