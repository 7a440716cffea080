"""Being alone in a process: what dies then has only itself to blame.

A picture can end its process where native code works on it: while it is decoded, inferred and
masked. Threads that work on many pictures go through :func:`beside_others` for each such step, and
one that works on a suspect holds :func:`alone` for as long as the suspect is open: it waits for
the others to end their step, and they wait for it before their next one.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

_PATIENCE_SECONDS: Final = 600.0
"""After that one goes on beside another, lest one left behind stops all work."""

_changed = threading.Condition()
_beside: set[int] = set()
_alone: list[int] = []


@contextmanager
def alone() -> Iterator[None]:
    """Waits until no other thread of this process is within a step, and keeps them out."""
    me = threading.get_ident()
    with _changed:
        _changed.wait_for(lambda: set(_alone) <= {me}, _PATIENCE_SECONDS)
        _alone.append(me)
        _changed.wait_for(lambda: not _beside - {me}, _PATIENCE_SECONDS)
    try:
        yield
    finally:
        # Perhaps on another thread: a generator is closed wherever it is collected.
        with _changed:
            _alone.remove(me)
            _changed.notify_all()


@contextmanager
def beside_others() -> Iterator[None]:
    """Waits while another thread is :func:`alone`; whoever holds that passes at once."""
    me = threading.get_ident()
    with _changed:
        if me not in _alone:
            _changed.wait_for(lambda: not _alone, _PATIENCE_SECONDS)
        _beside.add(me)
    try:
        yield
    finally:
        with _changed:
            _beside.discard(me)
            _changed.notify_all()
