"""Refs -> bytes: one image, or many with the next ones under way."""

from __future__ import annotations

from collections import deque
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

_FIRST_GUESS: Final = 8 * 1024 * 1024
"""What an object is taken to weigh before the first has come: a 12 MP JPEG, and then some."""


def read_image(ref: ImageRef, slot: ShardSlot | None = None) -> EncodedImage | Failure:
    """Reads one image, of the version that its ref names.

    ``gs://`` takes one request, its CRC32C checked, transient errors tried again
    (:mod:`deeplab.cloud_client` says how long).

    Args:
        ref: The image. Without a version, whatever stands there now.
        slot: Its place in a shard.

    Returns:
        The bytes, with the version that they are; or NOT_FOUND, PERMISSION_DENIED, CHANGED
        (something stands there, but no longer the listed version) or READ_ERROR. An empty file
        is no failure here.

    Raises:
        CredentialsError: Nobody is signed in, which is no fault of this image.
    """
    try:
        data, version = storage.read_version(ref.uri, ref.version)
    except storage.CredentialsError:
        raise
    except OSError as error:
        message = error.strerror or str(error)
        return Failure(ref, Stage.READ, _code(error), message, slot)
    return EncodedImage(replace(ref, version=version), data, slot)


def _code(error: OSError) -> FailureCode:
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return FailureCode.NOT_FOUND
    if isinstance(error, PermissionError):
        return FailureCode.PERMISSION_DENIED
    if isinstance(error, storage.ChangedError):
        return FailureCode.CHANGED
    return FailureCode.READ_ERROR


@dataclass(slots=True)
class _UnderWay:
    """An image that another thread reads."""

    future: Future[EncodedImage | Failure]

    @property
    def bytes_read(self) -> int | None:
        """What came; None while it is under way."""
        if not self.future.done() or self.future.cancelled() or self.future.exception():
            return None
        outcome = self.future.result()
        return len(outcome.data) if isinstance(outcome, EncodedImage) else 0


def read_images(
    refs: Iterable[ImageRef],
    *,
    window: int = WINDOW,
    ahead_bytes: int = AHEAD_BYTES,
) -> Generator[EncodedImage | Failure]:
    """Reads many images, in order.

    ``gs://`` images are read ahead by the process's threads, at most ``window`` of them and at
    most ``ahead_bytes``: what is under way is counted with the size of the largest so far, so
    the bound is exceeded only by what turns out larger than all before. Everything else is read
    when its turn comes.

    Args:
        refs: The images; taken lazily.
        window: Images under way or waiting, at least 1.
        ahead_bytes: Bytes under way or waiting; one image is always under way.

    Yields:
        One outcome of :func:`read_image` for each.

    Raises:
        CredentialsError: Nobody is signed in.
    """
    remaining = iter(refs)
    queue: deque[_UnderWay | ImageRef] = deque()
    largest = 0
    try:
        while True:
            while len(queue) < window:
                ahead = [item.bytes_read for item in queue if isinstance(item, _UnderWay)]
                largest = max([largest, *(size for size in ahead if size is not None)])
                guess = largest or _FIRST_GUESS
                weight = sum(guess if size is None else size for size in ahead)
                if ahead and weight + guess > ahead_bytes:
                    break
                following = next(remaining, None)
                if following is None:
                    break
                queue.append(_begin(following))
            if not queue:
                return
            item = queue.popleft()
            if isinstance(item, ImageRef):
                yield read_image(item)
            else:
                outcome = item.future.result()
                largest = max(largest, item.bytes_read or 0)
                yield outcome
    finally:
        for item in queue:
            if isinstance(item, _UnderWay):
                item.future.cancel()


def _begin(ref: ImageRef) -> _UnderWay | ImageRef:
    if storage.scheme(ref.uri) != "gs":
        return ref
    from beam_deeplab.deeplab import cloud_client

    return _UnderWay(cloud_client.threads().submit(read_image, ref))
