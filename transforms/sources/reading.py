"""Refs -> bytes: one image, or many with the next ones under way."""

from __future__ import annotations

import errno
import os
import threading
from collections import Counter, deque
from collections.abc import Generator, Iterable
from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import Final

from beam_deeplab.transforms import storage
from beam_deeplab.transforms.records import (
    EncodedImage,
    Failure,
    FailureCode,
    ImageRef,
    ShardSlot,
    Stage,
)

WINDOW: Final = 32
"""``gs://`` images of one caller that are being read or wait to be taken."""

AHEAD_BYTES: Final = 256 * 1024 * 1024
"""Bytes of one caller that may be read before they are taken."""

MAX_BYTES: Final = 1024**3
"""A file of more bytes is refused, unless asked otherwise."""

_FIRST_GUESS: Final = 7 * 1024 * 1024
"""What an object of unknown size is taken to weigh at first: a 12 MP JPEG, and then some."""

_IN_A_ROW: Final = "48"
"""So many faults of one storage after another, and it counts as down: three rounds of threads."""

_OF_THE_LINE: Final = frozenset(
    {errno.EINVAL, errno.EPROTONOSUPPORT, errno.EISDIR, errno.ENAMETOOLONG, errno.ELOOP}
)
"""What a URI that names no file is to blame for, and not the storage."""


class Streaks:
    """Counts faults of a kind that nothing good has interrupted; threads may share it.

    They tell a broken surrounding from a broken image.
    """

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


_faults = Streaks()


def read_image(
    ref: ImageRef, slot: ShardSlot | None = None, *, max_bytes: int = MAX_BYTES
) -> EncodedImage | Failure:
    """Reads one image, of the version that its ref names, or else whatever stands there now.

    ``gs://`` takes one request, its CRC32C checked, transient errors tried again until a deadline
    by the object's size (:mod:`deeplab.cloud_client`, :mod:`deeplab.deadlines`).

    Returns:
        The bytes, with the version that they are; or NOT_FOUND, PERMISSION_DENIED, CHANGED
        (something stands there, but no longer the listed version), TOO_LARGE (for ``max_bytes``
        or for this process's memory) or READ_ERROR. An empty file is no failure here.

    Raises:
        CredentialsError: Nobody is signed in, which is no fault of this image.
        StorageDownError: The storage has failed to give any of the last images.

    Environment:
        BEAM_DEEPLAB_FAULTS_IN_A_ROW: After how many the storage counts as down; 48 by default,
            0 for never.
    """
    kind = storage.scheme(ref.uri)
    try:
        if ref.size is not None and ref.size > max_bytes:
            raise storage.TooLargeError(ref.size, max_bytes, ref.uri)
        data, version = storage.read_version(ref.uri, ref.version, ref.size, max_bytes)
    except storage.CredentialsError:
        raise
    except MemoryError:
        message = "this process has not enough memory for the file's bytes"
        return Failure(ref, Stage.READ, FailureCode.TOO_LARGE, message, slot)
    except OSError as error:
        message = error.strerror or str(error)
        code = _code(error)
        if code is not FailureCode.READ_ERROR:
            _faults.end(kind)
        elif error.errno not in _OF_THE_LINE:
            _note_fault(kind, message)
        return Failure(ref, Stage.READ, code, message, slot)
    _faults.end(kind)
    return EncodedImage(replace(ref, version=version), data, slot)


def _note_fault(kind: str, message: str) -> None:
    limit = int(os.environ.get("BEAM_DEEPLAB_FAULTS_IN_A_ROW", _IN_A_ROW))
    number = _faults.grow(kind)
    if limit and number >= limit:
        where = f"{kind}://" if kind else "this machine's disks"
        text = f"{number} reads in a row from {where} failed, the last with: {message}"
        raise storage.StorageDownError(errno.EIO, text)


def _code(error: OSError) -> FailureCode:
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return FailureCode.NOT_FOUND
    if isinstance(error, PermissionError):
        return FailureCode.PERMISSION_DENIED
    if isinstance(error, storage.ChangedError):
        return FailureCode.CHANGED
    if isinstance(error, storage.TooLargeError):
        return FailureCode.TOO_LARGE
    return FailureCode.READ_ERROR


@dataclass(slots=True)
class _UnderWay:
    """An image that another thread reads."""

    ref: ImageRef
    future: Future[EncodedImage | Failure]

    def weight(self, guess: int) -> int:
        """The bytes that it holds, or may soon."""
        if self.future.done() and not self.future.cancelled() and not self.future.exception():
            outcome = self.future.result()
            return len(outcome.data) if isinstance(outcome, EncodedImage) else 0
        return _while_it_comes(self.ref, guess)


def _while_it_comes(ref: ImageRef, guess: int) -> int:
    # A buffer that grows holds up to an eighth more than its bytes.
    size = guess if ref.size is None else ref.size
    return size + size // 8


def read_images(
    refs: Iterable[ImageRef],
    *,
    max_bytes: int = MAX_BYTES,
    window: int = WINDOW,
    ahead_bytes: int = AHEAD_BYTES,
) -> Generator[EncodedImage | Failure]:
    """Reads many images, in order; each as :func:`read_image` does, and raising what it raises.

    ``gs://`` images are read ahead by the process's threads, at most ``window`` of them and at
    most ``ahead_bytes``: what is under way is counted with the size that its listing told, or
    else with that of the largest so far. So the bound is exceeded only by one image that alone is
    larger, and by what nobody listed and turns out larger than all before. Everything else is
    read when its turn comes. Refs are taken lazily, one more than are under way.
    """
    remaining = iter(refs)
    following = next(remaining, None)
    queue: deque[_UnderWay | ImageRef] = deque()
    largest = 0
    try:
        while queue or following is not None:
            while following is not None and len(queue) < window:
                guess = largest or _FIRST_GUESS
                ahead = [item.weight(guess) for item in queue if isinstance(item, _UnderWay)]
                if ahead and sum(ahead) + _while_it_comes(following, guess) > ahead_bytes:
                    break
                queue.append(_begin(following, max_bytes))
                following = next(remaining, None)
            outcome = _outcome(queue.popleft(), max_bytes)
            if isinstance(outcome, EncodedImage):
                largest = max(largest, len(outcome.data))
            yield outcome
            del outcome  # or its bytes would be held while the next ones come
    finally:
        for item in queue:
            if isinstance(item, _UnderWay):
                item.future.cancel()


def _outcome(item: _UnderWay | ImageRef, max_bytes: int) -> EncodedImage | Failure:
    if isinstance(item, ImageRef):
        return read_image(item, max_bytes=max_bytes)
    return item.future.result()


def _begin(ref: ImageRef, max_bytes: int) -> _UnderWay | ImageRef:
    if storage.scheme(ref.uri) != "gs":
        return ref
    from beam_deeplab.deeplab import cloud_client

    return _UnderWay(ref, cloud_client.threads().submit(read_image, ref, max_bytes=max_bytes))
