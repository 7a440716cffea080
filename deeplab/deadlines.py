"""A deadline for all that one operation over HTTP does: its attempts, its pauses, every byte.

A socket's timeout begins anew with each byte, so a server that sends one every 20 seconds would
keep a request for ever. So whoever waits in :func:`within` has the connection that it waits for
shut when the time is over; the sessions that :func:`watch` was called for tell which that is.

Environment:
    BEAM_DEEPLAB_DEADLINE_SECONDS: For an operation that moves nothing; 190 by default, so that
        retries of 120 seconds end with their own reason.
    BEAM_DEEPLAB_SLOWEST_RATE: Bytes a second that it must come to beyond that; 50,000 by default.
"""

from __future__ import annotations

import errno
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import requests
import urllib3.connection
from requests.adapters import HTTPAdapter
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool


def seconds_for(size: int) -> float:
    """How long an operation may take that moves ``size`` bytes."""
    base = float(os.environ.get("BEAM_DEEPLAB_DEADLINE_SECONDS", "190"))
    return base + size / float(os.environ.get("BEAM_DEEPLAB_SLOWEST_RATE", "50000"))


class _Deadline:
    """One operation's time, and the connection that it waits for."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self.is_over = False

    def wait_for(self, connection: socket.socket) -> None:
        with self._lock:
            if self.is_over:
                raise self.error()
            self._socket = connection

    def end(self) -> None:
        with self._lock:
            self.is_over = True
            if self._socket is not None:
                with suppress(OSError):
                    # Unlike close() it wakes the thread that reads. Not the method of a secure
                    # socket, which would have that thread go on in plain text.
                    socket.socket.shutdown(self._socket, socket.SHUT_RDWR)

    def forget(self) -> None:
        with self._lock:
            self._socket = None

    def error(self) -> OSError:
        return TimeoutError(errno.ETIMEDOUT, f"took longer than {self._seconds:.3g} s")


_current = threading.local()


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Bounds what this thread does in the block.

    Raises:
        TimeoutError: The time was over before the block was done.
    """
    deadline = _Deadline(seconds)
    outer = getattr(_current, "deadline", None)
    timer = threading.Timer(seconds, deadline.end)
    timer.daemon = True
    timer.start()
    _current.deadline = deadline
    try:
        yield
    except Exception as error:
        if deadline.is_over:
            raise deadline.error() from error
        raise
    else:
        if deadline.is_over:
            raise deadline.error()
    finally:
        _current.deadline = outer
        timer.cancel()
        # The connection goes back to its pool, and may be another operation's in a moment.
        deadline.forget()


def check() -> None:
    """Ends an operation between its attempts.

    Raises:
        TimeoutError: Its time is over.
    """
    deadline: _Deadline | None = getattr(_current, "deadline", None)
    if deadline is not None and deadline.is_over:
        raise deadline.error()


def watch(session: requests.Session, connections: int) -> None:
    """Puts a session's requests under :func:`within`; so many connections to a host stay open."""
    for prefix in ("https://", "http://"):
        session.mount(prefix, _Adapter(pool_maxsize=connections))


def _note(connection: Any) -> None:
    deadline: _Deadline | None = getattr(_current, "deadline", None)
    if deadline is not None and connection.sock is not None:
        deadline.wait_for(connection.sock)


class _Connection(urllib3.connection.HTTPConnection):
    def getresponse(self) -> Any:
        _note(self)
        return super().getresponse()


class _SecureConnection(urllib3.connection.HTTPSConnection):
    def getresponse(self) -> Any:
        _note(self)
        return super().getresponse()


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


class _Adapter(HTTPAdapter):
    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        super().init_poolmanager(*arguments, **options)
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": _SecurePool}
