"""``gs://`` through one google-cloud-storage client a process.

The operations are those of :mod:`transforms.storage`; listing by page is here too. Transient
errors (408, 429, 5xx, connection reset, short body, checksum mismatch) are retried with
exponential back-off by the client library's own ``DEFAULT_RETRY``; 404 and 403 are not.

Environment:
    BEAM_DEEPLAB_RETRY_SECONDS: How long one operation is retried; 120 by default.
    BEAM_DEEPLAB_RETRY_FIRST_DELAY: Upper bound of the first pause in seconds; doubled each time,
        up to 32 times; 1 by default.
    STORAGE_EMULATOR_HOST: An emulator's address, spoken to without credentials.
"""

from __future__ import annotations

import contextlib
import errno
import http
import http.client
import io
import os
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import BinaryIO, Final, TypeVar

import google.api_core.exceptions as api
import google.auth.exceptions as auth
import requests
import urllib3.exceptions
from google.api_core.retry import Retry
from google.cloud.storage import Blob, Bucket, Client
from google.cloud.storage.exceptions import DataCorruption, InvalidResponse
from google.cloud.storage.retry import DEFAULT_RETRY
from requests.adapters import HTTPAdapter

from transforms.storage import ChangedError, CredentialsError, StoredFile

T = TypeVar("T")

THREADS: Final = 16
"""Requests of a process that are in flight at once."""

CONNECTIONS: Final = 32
"""Connections that are kept open: those of :func:`threads` and of the callers' own."""

PAGE_SIZE: Final = 1000
"""Objects in one answer to a listing, the most that the service gives."""

_TIMEOUT: Final = (10, 60)
"""Seconds to connect, and seconds without a byte, before an attempt counts as failed."""

_SIGN_IN = (
    "no Google Cloud credentials: run `gcloud auth application-default login`, or set "
    "GOOGLE_APPLICATION_CREDENTIALS to a service account's key file"
)

_NO_CREDENTIALS_FOR: Final = 60.0
"""Seconds for which a failed search for credentials (20 s and more) is not repeated."""

_FOOTER_BYTES: Final = 64 * 1024
"""What is fetched at least; pyarrow looks for a Parquet footer in as many last bytes."""


@dataclass(frozen=True, slots=True)
class StoredObject:
    """One object of a listing.

    Attributes:
        name: Its full name in the bucket.
        size: Its size in bytes.
        generation: Its generation, digits.
    """

    name: str
    size: int
    generation: str


class _Process:
    """What the threads of one process share. A forked child makes its own."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self.lock = threading.Lock()
        self.clients: dict[str | None, Client] = {}
        self.executor: ThreadPoolExecutor | None = None
        self.no_credentials_until = 0.0


_process = _Process()


def _shared() -> _Process:
    global _process  # noqa: PLW0603 - a process has one set of connections
    if _process.pid != os.getpid():
        _process = _Process()
    return _process


def client() -> Client:
    """This process's client, made at the first call.

    Raises:
        CredentialsError: Nobody is signed in.
    """
    shared = _shared()
    emulator = os.environ.get("STORAGE_EMULATOR_HOST")
    with shared.lock:
        if emulator not in shared.clients:
            if emulator is None and time.monotonic() < shared.no_credentials_until:
                raise CredentialsError(errno.EACCES, _SIGN_IN)
            try:
                shared.clients[emulator] = _new_client()
            except auth.DefaultCredentialsError as error:
                shared.no_credentials_until = time.monotonic() + _NO_CREDENTIALS_FOR
                raise CredentialsError(errno.EACCES, _SIGN_IN) from error
        return shared.clients[emulator]


def _new_client() -> Client:
    # Or the library asks for the bucket's metadata too, for traces that nobody collects.
    os.environ.setdefault("DISABLE_GCS_PYTHON_CLIENT_OTEL_BUCKET_METADATA", "true")
    # Objects are addressed without a project, and looking one up can fail. The library takes
    # anonymous credentials by itself where an emulator's address is set.
    new = Client(project=None)
    for prefix in ("https://", "http://"):
        new._http.mount(prefix, HTTPAdapter(pool_maxsize=CONNECTIONS))
    return new


def threads() -> ThreadPoolExecutor:
    """This process's threads for requests; all bundles share them."""
    shared = _shared()
    with shared.lock:
        if shared.executor is None:
            shared.executor = ThreadPoolExecutor(THREADS, thread_name_prefix="gs")
        return shared.executor


def split(uri: str) -> tuple[str, str]:
    """Bucket and object name (may be empty) of a ``gs://`` URI.

    Raises:
        OSError: No bucket is named.
    """
    bucket, _, name = uri[5:].partition("/")
    if not bucket:
        raise OSError(errno.EINVAL, "names no bucket", uri)
    return bucket, name


def read(uri: str) -> bytes:
    """See :func:`transforms.storage.read`."""
    return _download(uri, None)[0]


def read_version(uri: str, version: str) -> tuple[bytes, str]:
    """See :func:`transforms.storage.read_version`; one request, unless the object is gone."""
    if not version:
        return _download(uri, None)
    if not version.isdecimal():
        raise ChangedError(errno.ESTALE, f"{version!r} is no generation of an object", uri)
    try:
        return _download(uri, int(version))[0], version
    except FileNotFoundError as error:
        if exists(uri):
            message = f"generation {version} is gone, a newer one took its place"
            raise ChangedError(errno.ESTALE, message, uri) from error
        raise


def _download(uri: str, generation: int | None) -> tuple[bytes, str]:
    bucket, name = _bucket_and_name(uri)

    def attempt() -> tuple[bytes, str]:
        # Each attempt starts anew: the library would go on from where a short body ended, and
        # then cannot check the sum of the whole.
        blob = bucket.blob(name, generation=generation)
        try:
            data = blob.download_as_bytes(
                checksum="crc32c", single_shot_download=True, retry=None, timeout=_TIMEOUT
            )
        except DataCorruption as error:
            raise ConnectionError("the bytes do not match their CRC32C") from error
        return data, "" if blob.generation is None else str(blob.generation)

    return _retried(uri, attempt)


def versions(uris: Sequence[str]) -> list[str]:
    """See :func:`transforms.storage.versions`; one metadata request each, in parallel."""
    return list(threads().map(_version, uris))


def _version(uri: str) -> str:
    try:
        blob = _metadata(uri)
    except PermissionError:
        return ""
    return "" if blob is None else str(blob.generation)


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
            timeout=_TIMEOUT,
        )

    _retried(uri, attempt)


def list_folder(folder: str) -> list[StoredFile]:
    """See :func:`transforms.storage.list_folder`; a bucket that does not exist is an error."""
    bucket, name = split(folder)
    prefix = f"{name.rstrip('/')}/" if name.strip("/") else ""
    return [
        StoredFile(found.name.removeprefix(prefix), found.size)
        for found in objects(bucket, prefix, recursive=False)
        if found.name != prefix
    ]


def delete(uri: str) -> None:
    """See :func:`transforms.storage.delete`."""
    bucket, name = _bucket_and_name(uri)
    with contextlib.suppress(FileNotFoundError):
        _retried(uri, lambda: bucket.blob(name).delete(retry=None, timeout=_TIMEOUT))


def exists(uri: str) -> bool:
    """See :func:`transforms.storage.exists`."""
    return _metadata(uri) is not None


def open_seekable(uri: str) -> BinaryIO:
    """See :func:`transforms.storage.open_seekable`; one metadata request, then ranges."""
    blob = _metadata(uri)
    if blob is None:
        raise FileNotFoundError(errno.ENOENT, "no such object", uri)
    return io.BufferedReader(_RangeReader(uri, blob), _FOOTER_BYTES)


def check_writable(folder: str) -> None:
    """See :func:`transforms.storage.check_writable`."""
    probe = f"{folder.rstrip('/')}/.writable-{uuid.uuid4().hex}"
    write_atomically(probe, b"")
    delete(probe)


def objects(bucket: str, prefix: str, *, recursive: bool = True) -> Iterator[StoredObject]:
    """The objects whose names begin with a prefix, by name.

    Args:
        bucket: The bucket's name.
        prefix: What names begin with.
        recursive: Whether a ``/`` may follow in what comes after the prefix.

    Yields:
        Objects.

    Raises:
        OSError: They cannot be listed.
    """
    uri = f"gs://{bucket}/{prefix}"
    listing = client().list_blobs(
        bucket,
        prefix=prefix,
        delimiter=None if recursive else "/",
        fields=f"items({_FIELDS}),nextPageToken",
        page_size=PAGE_SIZE,
        retry=_retry(),
        timeout=_TIMEOUT,
    )
    pages = listing.pages
    while (page := _translated(uri, lambda: next(pages, None))) is not None:
        yield from map(_stored_object, page)


def object_page(bucket: str, prefix: str, first: str, last: str) -> tuple[list[StoredObject], bool]:
    """Part of a listing, one request: the objects with ``first <= name <= last``.

    Args:
        bucket: The bucket's name.
        prefix: What names begin with.
        first: The smallest name.
        last: The largest name.

    Returns:
        Objects by name, and whether these are all.

    Raises:
        OSError: They cannot be listed.
    """
    listing = client().list_blobs(
        bucket,
        prefix=prefix,
        start_offset=first,
        end_offset=f"{last}\0",
        fields=f"items({_FIELDS}),nextPageToken",
        page_size=PAGE_SIZE,
        retry=_retry(),
        timeout=_TIMEOUT,
    )
    page = _translated(f"gs://{bucket}/{prefix}", lambda: next(listing.pages, ()))
    return [_stored_object(blob) for blob in page], listing.next_page_token is None


_FIELDS: Final = "name,size,generation"


def _stored_object(blob: Blob) -> StoredObject:
    return StoredObject(blob.name, blob.size, str(blob.generation))


class _RangeReader(io.RawIOBase):
    """An object's bytes by range, of the generation that it had when it was opened."""

    def __init__(self, uri: str, blob: Blob) -> None:
        self._uri = uri
        self._name, self._bucket = blob.name, blob.bucket
        self._generation, self._size = blob.generation, blob.size
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        if start + offset < 0:
            raise OSError(errno.EINVAL, "cannot seek before the start", self._uri)
        self._position = start + offset
        return self._position

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
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
                timeout=_TIMEOUT,
            )
            if len(data) != end - start:
                raise ConnectionError(f"{len(data)} bytes came instead of {end - start}")
            return bytes(data)

        data = _retried(self._uri, attempt)
        buffer[: len(data)] = data
        self._position = end
        return len(data)


def _bucket_and_name(uri: str) -> tuple[Bucket, str]:
    bucket, name = split(uri)
    if not name:
        raise OSError(errno.EINVAL, "names a bucket, not an object", uri)
    return client().bucket(bucket), name


def _metadata(uri: str) -> Blob | None:
    bucket, name = _bucket_and_name(uri)
    return _translated(uri, lambda: bucket.get_blob(name, retry=_retry(), timeout=_TIMEOUT))


def _retry() -> Retry:
    first = float(os.environ.get("BEAM_DEEPLAB_RETRY_FIRST_DELAY", "1"))
    seconds = float(os.environ.get("BEAM_DEEPLAB_RETRY_SECONDS", "120"))
    return DEFAULT_RETRY.with_delay(initial=first, maximum=32 * first).with_timeout(seconds)


def _retried(uri: str, attempt: Callable[[], T]) -> T:
    persistent: Callable[[], T] = _retry()(attempt)
    return _translated(uri, persistent)


def _translated(uri: str, operation: Callable[[], T]) -> T:
    """Runs an operation; its errors become those that :mod:`transforms.storage` documents."""
    try:
        return operation()
    except api.RetryError as error:
        reason = f"{_brief(error.cause or error)} (tried again until the time for it was over)"
        raise OSError(errno.EIO, reason, uri) from error
    except api.NotFound as error:
        raise FileNotFoundError(errno.ENOENT, "no such object or bucket", uri) from error
    except api.Forbidden as error:
        raise PermissionError(errno.EACCES, _brief(error), uri) from error
    except api.PreconditionFailed as error:
        raise FileExistsError(errno.EEXIST, "is there already", uri) from error
    except (auth.GoogleAuthError, api.Unauthorized) as error:
        message = f"Google Cloud sign-in failed: {_brief(error)}"
        raise CredentialsError(errno.EACCES, message, uri) from error
    except _LIBRARY_ERRORS as error:
        raise OSError(errno.EIO, _brief(error), uri) from error


_LIBRARY_ERRORS = (
    api.GoogleAPIError,
    InvalidResponse,
    requests.RequestException,
    urllib3.exceptions.HTTPError,
    http.client.HTTPException,
    OSError,
)


def _brief(error: BaseException) -> str:
    """The first line of what the service or the library says, of bounded length."""
    text = str(error).strip() or type(error).__name__
    if isinstance(error, api.GoogleAPICallError) and error.code:
        said = "" if error.response is None else _said_by_service(error.response)
        text = f"{int(error.code)} {said or http.HTTPStatus(error.code).phrase}"
    text = text.splitlines()[0]
    return text if len(text) <= 200 else f"{text[:199]}…"


def _said_by_service(response: requests.Response) -> str:
    try:
        return str(response.json()["error"]["message"]).strip()
    except (ValueError, LookupError, TypeError):
        return response.text.strip()
