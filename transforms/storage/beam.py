"""Any other scheme (``s3://``, ``hdfs://`` ...) through Beam's file systems: read and list only.

The operations are those of :mod:`transforms.storage`, but for what writes. Checksums and retries
are those of Beam's client for the scheme; credentials come from the pipeline's options.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterable, Sequence
from typing import BinaryIO, TypeVar

from apache_beam.io.filesystem import BeamIOError, CompressionTypes, FileMetadata
from apache_beam.io.filesystems import FileSystems

from beam_deeplab.transforms.storage.interface import (
    ChangedError,
    FileVersion,
    StoredFile,
    TooLargeError,
    scheme,
)

T = TypeVar("T")

_NO_CLIENT = (ValueError, ImportError, AssertionError, AttributeError, NameError, TypeError)
"""What Beam raises for a scheme that it does not know, or whose library is not installed."""


def read(uri: str) -> bytes:
    """See :func:`transforms.storage.read`."""
    with open_seekable(uri) as file:
        return _translated(uri, file.read)


def read_version(
    uri: str,
    version: str,
    size: int | None = None,  # noqa: ARG001 - the interface's shape
    max_bytes: int | None = None,
) -> tuple[bytes, str]:
    """See :func:`transforms.storage.read_version`.

    What stands there after the read is what was read, if it is the listed version or stood there
    before the read too.
    """
    before = version or _version(uri).version
    with open_seekable(uri) as file:
        wanted = -1 if max_bytes is None else max_bytes + 1
        data = _translated(uri, lambda: file.read(wanted))
    if max_bytes is not None and len(data) > max_bytes:
        raise TooLargeError(None, max_bytes, uri)
    after = _version(uri).version
    if after != before:
        raise ChangedError(errno.ESTALE, "changed since it was listed", uri)
    return data, after


def versions(uris: Sequence[str]) -> list[FileVersion]:
    """See :func:`transforms.storage.versions`."""
    return [_version(uri) for uri in uris]


def list_folder(folder: str, prefix: str = "") -> list[StoredFile]:
    """See :func:`transforms.storage.list_folder`."""
    path = f"{folder.rstrip('/')}/"
    return [
        StoredFile(name, found.size_in_bytes)
        for found in find(f"{path}{prefix}*")
        if (name := found.path.removeprefix(path)) and "/" not in name
    ]


def exists(uri: str) -> bool:
    """See :func:`transforms.storage.exists`."""
    return bool(_translated(uri, lambda: FileSystems.exists(uri)))


def open_seekable(uri: str) -> BinaryIO:
    """See :func:`transforms.storage.open_seekable`; a file replaced meanwhile is not noticed."""

    def opened() -> BinaryIO:
        # Bytes as stored: Beam would unpack what ends in .gz or .bz2.
        return FileSystems.open(uri, compression_type=CompressionTypes.UNCOMPRESSED)  # type: ignore[no-any-return]

    try:
        return _translated(uri, opened)
    except (FileNotFoundError, PermissionError):
        raise
    except OSError as error:
        # Not all of Beam's file systems tell a missing file from one that cannot be read.
        if exists(uri):
            raise
        raise FileNotFoundError(errno.ENOENT, "no such file", uri) from error


def find(pattern: str) -> Iterable[FileMetadata]:
    """The files that a pattern of Beam's matches, by path; OSError if they cannot be listed."""
    matches = _translated(pattern, lambda: FileSystems.match([pattern]))
    return sorted(matches[0].metadata_list, key=lambda found: str(found.path))


def version_of(found: FileMetadata) -> FileVersion:
    """``<size>-<mtime in ns>``, and the size."""
    version = f"{found.size_in_bytes}-{round(found.last_updated_in_seconds * 1e9)}"
    return FileVersion(version, found.size_in_bytes)


def _version(uri: str) -> FileVersion:
    try:
        found = [each for each in find(uri) if each.path == uri]
    except (FileNotFoundError, PermissionError):
        return FileVersion()
    except OSError as error:
        if error.errno != errno.EPROTONOSUPPORT:
            raise
        return FileVersion()  # a line that no storage of ours has; reading it says so
    return version_of(found[0]) if found else FileVersion()


def _translated(uri: str, operation: Callable[[], T]) -> T:
    """Runs an operation; its errors become those that :mod:`transforms.storage` documents."""
    try:
        return operation()
    except Exception as error:  # Beam lets the exceptions of each scheme's client through.
        cause = _cause(error)
        for kind, number in ((FileNotFoundError, errno.ENOENT), (PermissionError, errno.EACCES)):
            if isinstance(cause, kind):
                raise kind(number, os.strerror(number), uri) from error
        if isinstance(cause, _NO_CLIENT):
            message = f"Beam has no file system for {scheme(uri)}://; is its extra installed?"
            raise OSError(errno.EPROTONOSUPPORT, message, uri) from error
        text = (str(cause).strip() or type(cause).__name__).splitlines()[0][:200]
        raise OSError(errno.EIO, text, uri) from error


def _cause(error: Exception) -> Exception:
    """What happened to the one file that an operation was about."""
    if isinstance(error, BeamIOError) and error.exception_details:
        inner = next(iter(error.exception_details.values()))
        if isinstance(inner, Exception):
            return _cause(inner)
    return error
