"""Signals that end a run: SIGTERM ends one as SIGINT does."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)

_received: list[signal.Signals] = []
_at_once: list[Callable[[], None]] = []


def received() -> signal.Signals | None:
    """The first signal that has asked this program to end; None if none has."""
    return _received[0] if _received else None


def forget() -> None:
    """Takes a signal for answered: the program goes on."""
    _received.clear()


def ignore() -> None:
    """Lets no further signal disturb an end that is under way."""
    if threading.current_thread() is threading.main_thread():
        for number in _SIGNALS:
            signal.signal(number, signal.SIG_IGN)


@contextmanager
def doing_at_once(action: Callable[[], None]) -> Iterator[None]:
    """Within it each signal does something before the interrupt unwinds what it has struck.

    Args:
        action: It takes no locks: the main thread may hold any.
    """
    _at_once.append(action)
    try:
        yield
    finally:
        _at_once.remove(action)


@contextmanager
def as_interrupts() -> Iterator[None]:
    """Within it each signal raises KeyboardInterrupt in the main thread, and is remembered.

    A signal that the program was started to ignore, as shells have it for what they run in the
    background, stays ignored.
    """
    forget()
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in _SIGNALS}
    for number, handler in before.items():
        if handler is not signal.SIG_IGN:
            signal.signal(number, _interrupt)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _interrupt(number: int, _: FrameType | None) -> None:
    _received.append(signal.Signals(number))
    for action in _at_once:
        action()
    raise KeyboardInterrupt
