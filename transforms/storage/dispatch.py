"""Bytes in storage: one small interface over local paths, ``gs://`` and Beam's file systems.

Local paths and ``gs://`` honour all of it. Other schemes (``s3://``, ``hdfs://`` ...) go through
Beam's file systems and can be read and listed only: those have neither an atomic replacement nor
a create-if-absent, without which a killed run could not be told from a finished one.

Errors are those of :mod:`transforms.storage.interface`.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator, Sequence
from typing import BinaryIO, Protocol

from beam_deeplab.transforms.storage.interface import FileVersion, StoredFile, scheme


class _Backend(Protocol):
    """What each scheme's module implements, as the functions of the same names below say."""

    def read(self, uri: str) -> bytes: ...
    def read_version(
        self, uri: str, version: str, size: int | None = None, max_bytes: int | None = None
    ) -> tuple[bytes, str]: ...
    def versions(self, uris: Sequence[str]) -> list[FileVersion]: ...
    def list_folder(self, folder: str, prefix: str = "") -> list[StoredFile]: ...
    def exists(self, uri: str) -> bool: ...
    def open_seekable(self, uri: str) -> BinaryIO: ...


class _WritableBackend(_Backend, Protocol):
    """What those implement besides that can be written to."""

    def write_atomically(self, uri: str, data: bytes) -> None: ...
    def create_if_absent(self, uri: str, data: bytes) -> bool: ...
    def delete(self, uri: str) -> None: ...
    def files_below(self, folder: str) -> Iterator[str]: ...
    def check_writable(self, folder: str) -> None: ...


def _backend(uri: str) -> _Backend:
    if scheme(uri) in ("", "gs"):
        return _writable(uri)
    from beam_deeplab.transforms.storage import beam as beam_storage

    return beam_storage


def _writable(uri: str, operation: str = "write to") -> _WritableBackend:
    name = scheme(uri)
    if name == "gs":
        from beam_deeplab.transforms.storage import cloud as cloud_storage

        return cloud_storage
    if name:
        message = (
            f"{os.strerror(errno.EOPNOTSUPP)}: cannot {operation} {name}:// (no atomic writes "
            "there); the output must be gs:// or a local folder"
        )
        raise OSError(errno.EOPNOTSUPP, message, uri)
    from beam_deeplab.transforms.storage import local as local_storage

    return local_storage


def read(uri: str) -> bytes:
    """A whole file; CRC32C checked for ``gs://``.

    Raises:
        OSError: It cannot be read.
    """
    return _backend(uri).read(uri)


def read_version(
    uri: str, version: str, size: int | None = None, max_bytes: int | None = None
) -> tuple[bytes, str]:
    """A whole file, of just that version.

    Args:
        uri: The file.
        version: As :func:`versions` gave it; empty for whatever stands there now.
        size: As :func:`versions` gave it: by it ``gs://`` sets a deadline.
        max_bytes: The most bytes that are read and held; None for any number.

    Returns:
        The bytes and the version they are.

    Raises:
        ChangedError: Something stands there, but not (or not for the whole read) that version.
        TooLargeError: It has more than ``max_bytes``.
        OSError: It cannot be read.
    """
    return _backend(uri).read_version(uri, version, size, max_bytes)


def versions(uris: Sequence[str]) -> list[FileVersion]:
    """What tells each file's content from a later one, without reading it.

    The files are all of one scheme; what can name no file is no error.

    Raises:
        OSError: The storage does not answer.
    """
    return _backend(uris[0]).versions(uris) if uris else []


def write_atomically(uri: str, data: bytes) -> None:
    """Creates or replaces a file so that nobody ever sees a part of it, even after a crash.

    Missing folders are made. Locally the bytes are on the disk when this returns.

    Raises:
        OSError: It could not be written; what stood there before still stands.
    """
    _writable(uri).write_atomically(uri, data)


def create_if_absent(uri: str, data: bytes) -> bool:
    """Creates a file, whole, unless one is there, and says whether it did.

    Of any number of callers that try at once, one wins.

    Raises:
        OSError: It could not be written.
    """
    return _writable(uri).create_if_absent(uri, data)


def list_folder(folder: str, prefix: str = "") -> list[StoredFile]:
    """The files directly in a folder, names beginning with a dot included, by name.

    Only those whose names begin with ``prefix``; on object stores no others are listed. A folder
    that does not exist (yet) has none.

    Raises:
        OSError: It cannot be listed.
    """
    return _backend(folder).list_folder(folder, prefix)


def delete(uri: str) -> None:
    """Removes a file; one that is not there is fine.

    Raises:
        OSError: It is there and could not be removed.
    """
    _writable(uri, "delete from").delete(uri)


def files_below(folder: str) -> Iterator[str]:
    """The URIs of all files below a folder that may be written to, however deep, links unfollowed.

    A folder that does not exist (yet) has none.

    Raises:
        OSError: It cannot be listed.
    """
    return _writable(folder).files_below(folder)


def exists(uri: str) -> bool:
    """Whether a file stands there.

    Raises:
        OSError: That cannot be told.
    """
    return _backend(uri).exists(uri)


def open_seekable(uri: str) -> BinaryIO:
    """Opens a file to read parts of it (Parquet footers, columns), fetching only those parts.

    One version is read throughout, even if the file is replaced meanwhile.

    Raises:
        OSError: It cannot be opened; later reads raise it too.
    """
    return _backend(uri).open_seekable(uri)


def check_writable(folder: str) -> None:
    """Proves that files can be written below a folder, by writing one; leaves nothing behind.

    The folder need not exist and is not made.

    Raises:
        OSError: Nothing can be written there, with the reason.
    """
    _writable(folder).check_writable(folder)
