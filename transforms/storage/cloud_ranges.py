"""A ``gs://`` object as a file of which only parts are fetched."""

from __future__ import annotations

import errno
import io

from google.cloud.storage import Blob

from beam_deeplab.deeplab.cloud_client import TIMEOUT, retried


class RangeReader(io.RawIOBase):
    """An object's bytes by range, of the generation that it had when it was opened.

    That as many bytes come as were asked for is checked, and not what they are: the service has
    a sum of the whole object only.
    """

    def __init__(self, uri: str, blob: Blob) -> None:
        self._uri = uri
        self._name, self._bucket = blob.name, blob.bucket
        self._generation, self._size = blob.generation, blob.size
        self._position = 0

    def readable(self) -> bool:
        """Yes."""
        return True

    def seekable(self) -> bool:
        """Yes."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Moves to a position, with no request."""
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        if start + offset < 0:
            raise OSError(errno.EINVAL, "cannot seek before the start", self._uri)
        self._position = start + offset
        return self._position

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        """Fills a buffer as far as the object goes, by one request."""
        # typeshed's parameter is any writable buffer, which has no length of its own.
        start, end = self._position, min(self._position + len(buffer), self._size)
        if start >= end:
            return 0

        def attempt() -> bytes:
            blob = self._bucket.blob(self._name, generation=self._generation)
            data = blob.download_as_bytes(
                start=start,
                end=end - 1,
                raw_download=True,
                checksum=None,
                single_shot_download=True,
                retry=None,
                timeout=TIMEOUT,
            )
            if len(data) != end - start:
                raise ConnectionError(f"{len(data)} bytes came instead of {end - start}")
            return bytes(data)

        data = retried(self._uri, attempt, end - start)
        buffer[: len(data)] = data
        self._position = end
        return len(data)
