"""``gs://``: the operations of :mod:`transforms.storage`, and listing by prefix and by page.

:mod:`deeplab.cloud_client` says what is retried, and for how long.
"""

from __future__ import annotations

import contextlib
import errno
import io
import sys
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, Final

from google.api_core.page_iterator import HTTPIterator
from google.cloud.storage import Blob, Bucket
from google.cloud.storage.exceptions import DataCorruption

from beam_deeplab.deeplab.cloud_client import (
    TIMEOUT,
    client,
    retried,
    retry_policy,
    split,
    threads,
    translated,
)
from beam_deeplab.transforms.storage.cloud_ranges import RangeReader
from beam_deeplab.transforms.storage.interface import (
    ChangedError,
    FileVersion,
    StoredFile,
    TooLargeError,
)

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

PAGE_SIZE: Final = 1000
"""Objects in one answer to a listing, the most that the service gives."""

_FOOTER_BYTES: Final = 64 * 1024
"""What is fetched at least; pyarrow looks for a Parquet footer in as many last bytes."""

_WHOLE_BYTES: Final = 128 * 1024
"""Up to here an object is fetched whole: a request's time, not its bytes, is what costs."""

_SIZE_IF_UNKNOWN: Final = 64 * 1024 * 1024
"""By which an object's deadline is set that no listing has told the size of."""


@dataclass(frozen=True, slots=True)
class StoredObject:
    """One object of a listing: its full name in the bucket, its size in bytes, its generation."""

    name: str
    size: int
    generation: str


def read(uri: str) -> bytes:
    """See :func:`transforms.storage.read`."""
    return _download(uri, None)[0]


def read_version(
    uri: str, version: str, size: int | None = None, max_bytes: int | None = None
) -> tuple[bytes, str]:
    """See :func:`transforms.storage.read_version`; one request, unless the object is gone."""
    if not version:
        return _download(uri, None, size, max_bytes)
    if not version.isdecimal():
        raise ChangedError(errno.ESTALE, f"{version!r} is no generation of an object", uri)
    try:
        return _download(uri, int(version), size, max_bytes)[0], version
    except FileNotFoundError as error:
        if exists(uri):
            message = f"generation {version} is gone, a newer one took its place"
            raise ChangedError(errno.ESTALE, message, uri) from error
        raise


class _OverflowError(Exception):
    """An object has more bytes than are taken; no fault of the storage, and not tried again."""


class _Bounded(io.BytesIO):
    """Takes so many bytes and no more."""

    def __init__(self, max_bytes: int | None) -> None:
        super().__init__()
        self._left = sys.maxsize if max_bytes is None else max_bytes

    def write(self, data: ReadableBuffer) -> int:
        self._left -= memoryview(data).nbytes
        if self._left < 0:
            raise _OverflowError
        return super().write(data)


def _download(
    uri: str, generation: int | None, size: int | None = None, max_bytes: int | None = None
) -> tuple[bytes, str]:
    bucket, name = _bucket_and_name(uri)

    def attempt() -> tuple[bytes, str]:
        # Each attempt starts anew: the library would go on from where a short body ended, and
        # then cannot check the sum of the whole.
        blob = bucket.blob(name, generation=generation)
        sink = _Bounded(max_bytes)
        try:
            blob.download_to_file(
                sink, checksum="crc32c", single_shot_download=True, retry=None, timeout=TIMEOUT
            )
        except DataCorruption as error:
            raise ConnectionError("the bytes do not match their CRC32C") from error
        data = sink.getvalue()
        # The library keeps the sink in a circle of references, until they are collected.
        sink.close()
        return data, "" if blob.generation is None else str(blob.generation)

    try:
        return retried(uri, attempt, _SIZE_IF_UNKNOWN if size is None else size)
    except _OverflowError:
        assert max_bytes is not None
        raise TooLargeError(None, max_bytes, uri) from None


def versions(uris: Sequence[str]) -> list[FileVersion]:
    """See :func:`transforms.storage.versions`; one metadata request each, in parallel."""
    return list(threads().map(_version, uris))


def _version(uri: str) -> FileVersion:
    try:
        blob = _metadata(uri)
    except PermissionError:
        return FileVersion()
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        return FileVersion()  # a line that can name no object; reading it says so
    return FileVersion() if blob is None else FileVersion(str(blob.generation), blob.size)


def write_atomically(uri: str, data: bytes) -> None:
    """See :func:`transforms.storage.write_atomically`; the service checks the CRC32C."""
    _put(uri, data, only_if_absent=False)


def create_if_absent(uri: str, data: bytes) -> bool:
    """See :func:`transforms.storage.create_if_absent`; a put with ``if_generation_match=0``."""
    writer = uuid.uuid4().hex
    try:
        _put(uri, data, only_if_absent=True, writer=writer)
    except FileExistsError:
        # The object may be our own, from an attempt whose answer got lost.
        blob = _metadata(uri)
        return blob is not None and (blob.metadata or {}).get("writer") == writer
    return True


def _put(uri: str, data: bytes, *, only_if_absent: bool, writer: str | None = None) -> None:
    bucket, name = _bucket_and_name(uri)

    def attempt() -> None:
        blob = bucket.blob(name)
        if writer:
            blob.metadata = {"writer": writer}
        blob.upload_from_string(
            data,
            content_type="application/octet-stream",
            checksum="crc32c",
            if_generation_match=0 if only_if_absent else None,
            retry=None,
            timeout=TIMEOUT,
        )

    retried(uri, attempt, len(data))


def list_folder(folder: str, prefix: str = "") -> list[StoredFile]:
    """See :func:`transforms.storage.list_folder`; a bucket that does not exist is an error."""
    bucket, name = split(folder)
    path = f"{name.rstrip('/')}/" if name.strip("/") else ""
    return [
        StoredFile(found.name.removeprefix(path), found.size)
        for found in objects(bucket, f"{path}{prefix}", recursive=False)
        if found.name != path
    ]


def files_below(folder: str) -> Iterator[str]:
    """See :func:`transforms.storage.files_below`."""
    bucket, name = split(folder)
    prefix = f"{name.strip('/')}/" if name.strip("/") else ""
    return (f"gs://{bucket}/{found.name}" for found in objects(bucket, prefix))


def delete(uri: str) -> None:
    """See :func:`transforms.storage.delete`."""
    bucket, name = _bucket_and_name(uri)
    with contextlib.suppress(FileNotFoundError):
        retried(uri, lambda: bucket.blob(name).delete(retry=None, timeout=TIMEOUT))


def exists(uri: str) -> bool:
    """See :func:`transforms.storage.exists`."""
    return _metadata(uri) is not None


def open_seekable(uri: str) -> BinaryIO:
    """See :func:`transforms.storage.open_seekable`; one metadata request, then ranges.

    A small object comes whole, its CRC32C checked. The service has no sum of a range: what
    a larger one's bytes are is for their format to check, as Parquet does by page.
    """
    blob = _metadata(uri)
    if blob is None:
        raise FileNotFoundError(errno.ENOENT, "no such object", uri)
    if blob.size <= _WHOLE_BYTES:
        return io.BytesIO(_download(uri, blob.generation, blob.size)[0])
    return io.BufferedReader(RangeReader(uri, blob), _FOOTER_BYTES)


def check_writable(folder: str) -> None:
    """See :func:`transforms.storage.check_writable`."""
    probe = f"{folder.rstrip('/')}/.writable-{uuid.uuid4().hex}"
    write_atomically(probe, b"")
    delete(probe)


def objects(
    bucket: str, prefix: str, first: str = "", end: str = "", *, recursive: bool = True
) -> Iterator[StoredObject]:
    """The objects whose names begin with a prefix, by name.

    Args:
        bucket: The bucket's name.
        prefix: What names begin with.
        first: The smallest name.
        end: What names are smaller than; empty for no such bound.
        recursive: Whether a ``/`` may follow in what comes after the prefix.

    Yields:
        Objects.

    Raises:
        OSError: They cannot be listed.
    """
    pages = _listing(bucket, prefix, first, end, recursive=recursive).pages
    uri = f"gs://{bucket}/{prefix}"
    while (page := translated(uri, lambda: next(pages, None))) is not None:
        yield from map(_stored_object, page)


def object_page(
    bucket: str, prefix: str, first: str = "", end: str = "", *, recursive: bool = True
) -> tuple[list[StoredObject], bool]:
    """The first page of :func:`objects`, one request.

    Returns:
        Objects, and whether these are all.

    Raises:
        OSError: They cannot be listed.
    """
    listing = _listing(bucket, prefix, first, end, recursive=recursive)
    page = translated(f"gs://{bucket}/{prefix}", lambda: next(listing.pages, ()))
    return [_stored_object(blob) for blob in page], listing.next_page_token is None


def first_name(bucket: str, prefix: str, first: str) -> str | None:
    """The first name of :func:`objects` from a name on, one request; None if there is none.

    Raises:
        OSError: They cannot be listed.
    """
    listing = _listing(bucket, prefix, first, page_size=1)
    # A page may be empty and not the last.
    found = translated(f"gs://{bucket}/{prefix}", lambda: next(iter(listing), None))
    return None if found is None else str(found.name)


def _listing(
    bucket: str,
    prefix: str,
    first: str,
    end: str = "",
    *,
    recursive: bool = True,
    page_size: int | None = None,
) -> HTTPIterator:
    return client().list_blobs(
        bucket,
        prefix=prefix,
        delimiter=None if recursive else "/",
        start_offset=first or None,
        end_offset=end or None,
        fields="items(name,size,generation),nextPageToken",
        page_size=page_size or PAGE_SIZE,
        retry=retry_policy(),
        timeout=TIMEOUT,
    )


def _stored_object(blob: Blob) -> StoredObject:
    return StoredObject(blob.name, blob.size, str(blob.generation))


def _bucket_and_name(uri: str) -> tuple[Bucket, str]:
    bucket, name = split(uri)
    if not name:
        raise OSError(errno.EINVAL, "names a bucket, not an object", uri)
    return client().bucket(bucket), name


def _metadata(uri: str) -> Blob | None:
    bucket, name = _bucket_and_name(uri)
    return translated(uri, lambda: bucket.get_blob(name, retry=retry_policy(), timeout=TIMEOUT))
