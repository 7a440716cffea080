"""Faults in a row, of one kind each: what tells a broken surrounding from a broken image."""

from __future__ import annotations

import threading
from collections import Counter


class Streaks:
    """Counts faults that nothing good has interrupted; all threads of a process may share it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lengths = Counter[str]()

    def grow(self, kind: str) -> int:
        """Counts a fault; gives how many of its kind there have been in a row."""
        with self._lock:
            self._lengths[kind] += 1
            return self._lengths[kind]

    def end(self, kind: str) -> None:
        """Notes that something of this kind went well."""
        if self._lengths[kind]:
            with self._lock:
                self._lengths[kind] = 0
