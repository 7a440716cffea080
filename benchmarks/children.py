"""Contestants in child processes, one each, that take turns."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from types import TracebackType
from typing import Any, Generic, NamedTuple, Self, TypeVar


class Turn(NamedTuple):
    """What one turn of a contestant took.

    Attributes:
        seconds: By the wall's clock.
        cpu_seconds: Of the contestant's process, all threads.
    """

    seconds: float
    cpu_seconds: float


ContestantT_co = TypeVar("ContestantT_co", covariant=True)
ResultT = TypeVar("ResultT")

_contestant: Any = None


class Child(Generic[ContestantT_co]):
    """A contestant in a process that holds nothing else.

    Args:
        make: Makes the contestant there; importable by name, as are its arguments' types.
        arguments: For ``make``.
        environment: Variables that are set before anything heavy is imported.

    Attributes:
        start_up_seconds: From the process's start until the contestant was ready.
    """

    def __init__(
        self,
        make: Callable[..., ContestantT_co],
        *arguments: Any,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        start = time.perf_counter()
        self._pool = ProcessPoolExecutor(1, mp_context=get_context("spawn"))
        self._pool.submit(_build, dict(environment or {}), make, arguments).result()
        self.start_up_seconds = time.perf_counter() - start

    def call(self, method: Callable[..., ResultT], *arguments: Any) -> ResultT:
        """Calls one of the contestant's methods, ``Contestant.method``, and waits."""
        result: ResultT = self._pool.submit(_invoke, method.__name__, arguments).result()
        return result

    def timed(self, method: Callable[..., float], *arguments: Any) -> Turn:
        """Calls a method that gives the seconds it took, and tells the CPU's besides."""
        turn: Turn = self._pool.submit(_invoke_timed, method.__name__, arguments).result()
        return turn

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._pool.shutdown()


def reset_peak_memory() -> None:
    """Lets this process's peak of resident memory begin anew at what it holds now."""
    Path("/proc/self/clear_refs").write_text("5")


def resident_bytes() -> int:
    """Resident memory of this process."""
    return _status("VmRSS")


def peak_bytes() -> int:
    """Peak of this process's resident memory since :func:`reset_peak_memory`."""
    return _status("VmHWM")


def _status(name: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    raise OSError(f"this system does not tell {name}")


def _build(
    environment: Mapping[str, str], make: Callable[..., Any], arguments: tuple[Any, ...]
) -> None:
    global _contestant  # noqa: PLW0603 - what this process was started to hold
    os.environ.update(environment)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    # At every level below, TensorFlow and Beam write over the tables.
    logging.disable(logging.WARNING)
    _contestant = make(*arguments)


def _invoke(method: str, arguments: tuple[Any, ...]) -> Any:
    return getattr(_contestant, method)(*arguments)


def _invoke_timed(method: str, arguments: tuple[Any, ...]) -> Turn:
    cpu = time.process_time()
    seconds = _invoke(method, arguments)
    return Turn(seconds, time.process_time() - cpu)
