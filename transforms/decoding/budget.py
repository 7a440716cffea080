"""A budget of memory for all the decoding of a process: large pictures wait for each other.

What a picture takes is known from its header, before anything is allocated. Ten threads may decode
ten photos at once; ten pictures of 250 megapixels they decode as memory allows.
"""

from __future__ import annotations

import functools
import os
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_SHARE = 4
_CGROUPS = Path("/sys/fs/cgroup")


class MemoryBudget:
    """Bytes that threads hold, and wait for, in the order in which they ask.

    Whoever asks for more than ``size`` is let in alone.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self.held = 0
        self.waiting: deque[object] = deque()
        self._changed = threading.Condition()

    @contextmanager
    def hold(self, count: int) -> Iterator[None]:
        """Holds so many bytes, once they are there."""
        ticket = object()
        with self._changed:
            self.waiting.append(ticket)
            try:
                self._changed.wait_for(lambda: self.waiting[0] is ticket and self._fits(count))
                self.held += count
            finally:
                self.waiting.remove(ticket)
                self._changed.notify_all()
        try:
            yield
        finally:
            with self._changed:
                self.held -= count
                self._changed.notify_all()

    def _fits(self, count: int) -> bool:
        return self.held == 0 or self.held + count <= self.size


@functools.cache
def decoding_budget() -> MemoryBudget:
    """The budget of this process: a quarter of the memory that it may use."""
    return MemoryBudget(memory_limit() // _SHARE)


def memory_limit(cgroups: Path = _CGROUPS, own: Path = Path("/proc/self/cgroup")) -> int:
    """Bytes of memory that this process may use: the machine's, or its container's if fewer.

    Control groups are looked at of version 2, and of 1 with its memory controller.
    """
    limits = [os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")]
    for group, name in (
        *((group, "memory.max") for group in _groups(cgroups, own, "")),
        *((group, "memory.limit_in_bytes") for group in _groups(cgroups / "memory", own, "memory")),
    ):
        try:
            limits.append(int((group / name).read_text()))
        except (OSError, ValueError):  # no such group, or "max"
            continue
    return min(limit for limit in limits if limit > 0)


def _groups(mount: Path, own: Path, controller: str) -> list[Path]:
    """The process's group and all above it; inside a container, the mount is its own group."""
    try:
        lines = own.read_text().splitlines()
    except OSError:
        lines = []
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controller in controllers.split(","):
            group = mount / path.strip("/")
            return [group, *(each for each in group.parents if each.is_relative_to(mount))]
    return [mount]
