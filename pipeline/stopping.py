"""Signals that end a run: SIGTERM ends one as SIGINT does."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import TYPE_CHECKING, Final, NoReturn

from beam_deeplab.pipeline.terminal import say

if TYPE_CHECKING:
    import psutil

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)

_WAKING_SECONDS: Final = 0.1
"""In which a main thread that is awake has long run a signal's handler."""

RESUME: Final = "the same command with --resume continues"
"""What to do after a run was ended."""

_received: list[signal.Signals] = []
_reached_main_thread = threading.Event()
_at_once: list[Callable[[], None]] = []


def received() -> signal.Signals | None:
    """The first signal that has asked this program to end; None if none has."""
    return _received[0] if _received else None


def forget() -> None:
    """Takes a signal for answered: the program goes on."""
    _received.clear()


def end(advice: str = "") -> NoReturn:
    """Says that a signal has ended the program, and ends it, from whichever thread."""
    if threading.current_thread() is threading.main_thread():
        for each in _SIGNALS:
            signal.signal(each, signal.SIG_IGN)
    number = received() or signal.SIGINT
    what = "interrupted" if number is signal.SIGINT else f"ended by {number.name}"
    say(f"{what}; {advice}" if advice else what)
    sys.stdout.flush()
    # Workers that are threads of this process would go on, and keep it alive.
    os._exit(128 + number)


def end_children() -> list[psutil.Process]:
    """Asks every process that this one has started to end; takes no lock and no time."""
    import psutil

    children = psutil.Process().children(recursive=True)
    for process in children:
        with suppress(psutil.Error):
            process.terminate()
    return children


@contextmanager
def doing_at_once(action: Callable[[], None]) -> Iterator[None]:
    """Within it each signal does something before the interrupt unwinds what it has struck.

    The action takes no locks: the main thread may hold any.
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
    _reached_main_thread.clear()
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in _SIGNALS}
    for number, handler in before.items():
        if handler is not signal.SIG_IGN:
            signal.signal(number, _interrupt)
    try:
        with _waking_the_main_thread():
            yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _waking_the_main_thread() -> Iterator[None]:
    """Within it a signal that the system gives to another thread reaches the main one too.

    That happens where the process was stopped when it came. Python then runs the handler in the
    main thread, but only once that wakes, and it may wait for all that the others have to do.
    """
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    earlier = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    main = threading.get_ident()

    def pass_on() -> None:
        while number := os.read(reading, 1)[0]:
            threading.Event().wait(_WAKING_SECONDS)
            if number in _SIGNALS and not _reached_main_thread.is_set():
                signal.pthread_kill(main, number)

    thread = threading.Thread(target=pass_on, daemon=True)
    thread.start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(earlier)
        os.write(writing, b"\0")
        thread.join()
        os.close(reading)
        os.close(writing)


def _interrupt(number: int, _: FrameType | None) -> None:
    _reached_main_thread.set()
    _received.append(signal.Signals(number))
    for action in _at_once:
        action()
    raise KeyboardInterrupt
