"""Bytes in storage: one small interface over local paths, ``gs://`` and Beam's file systems.

Local paths and ``gs://`` honour all of it. Other schemes (``s3://``, ``hdfs://`` ...) go through
Beam's file systems and can be read and listed only: those have neither an atomic replacement nor
a create-if-absent, without which a killed run could not be told from a finished one.

Every operation raises :class:`OSError` or one of its subclasses with ``strerror`` a line for
people and ``filename`` the URI: :class:`FileNotFoundError`, :class:`PermissionError`,
:class:`ChangedError`, :class:`CredentialsError`; ``errno`` is kept (``ENOSPC`` above all).
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import BinaryIO, Protocol

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")


@dataclass(frozen=True, slots=True)
class StoredFile:
    """One file directly in a folder.

    Attributes:
        name: Its name without the folder.
        size: Its size in bytes.
    """

    name: str
    size: int


class ChangedError(OSError):
    """What stands at a URI is not, or no longer, the version that was asked for."""


class CredentialsError(OSError):
    """Nobody is signed in, or no longer: no request of this process can succeed."""


class _Backend(Protocol):
    """What each scheme's module implements; :mod:`transforms.storage` documents it."""

    def read(self, uri: str) -> bytes: ...
    def read_version(self, uri: str, version: str) -> tuple[bytes, str]: ...
    def versions(self, uris: Sequence[str]) -> list[str]: ...
    def write_atomically(self, uri: str, data: bytes) -> None: ...
    def create_if_absent(self, uri: str, data: bytes) -> bool: ...
    def list_folder(self, folder: str) -> list[StoredFile]: ...
    def delete(self, uri: str) -> None: ...
    def exists(self, uri: str) -> bool: ...
    def open_seekable(self, uri: str) -> BinaryIO: ...
    def check_writable(self, folder: str) -> None: ...


def scheme(uri: str) -> str:
    """The URI's scheme in lower case, ``""`` for a plain path and for ``file://``."""
    found = _SCHEME.match(uri)
    name = found.group(1).lower() if found else ""
    return "" if name == "file" else name


def _backend(uri: str) -> _Backend:
    name = scheme(uri)
    if name == "gs":
        from transforms.storage import cloud as cloud_storage

        return cloud_storage
    if name:
        from transforms.storage import beam as beam_storage

        return beam_storage
    from transforms.storage import local as local_storage

    return local_storage


def join(folder: str, *names: str) -> str:
    """The URI of a file below a folder; ``names`` are relative."""
    if not folder:
        return "/".join(names)
    return "/".join([folder.rstrip("/"), *names])


def read(uri: str) -> bytes:
    """A whole file; CRC32C checked for ``gs://``.

    Raises:
        OSError: It cannot be read.
    """
    return _backend(uri).read(uri)


def read_version(uri: str, version: str) -> tuple[bytes, str]:
    """A whole file, of just that version.

    Args:
        uri: The file.
        version: As :func:`versions` gave it; empty for whatever stands there now.

    Returns:
        The bytes and the version they are.

    Raises:
        ChangedError: Something stands there, but not (or not for the whole read) that version.
        OSError: It cannot be read.
    """
    return _backend(uri).read_version(uri, version)


def versions(uris: Sequence[str]) -> list[str]:
    """What tells each file's content from a later one, without reading it.

    Args:
        uris: Files, all of one scheme.

    Returns:
        For each the object's generation (``gs://``) or ``<size>-<mtime in ns>``; empty where it
        is not there or may not be looked at.

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
    _backend(uri).write_atomically(uri, data)


def create_if_absent(uri: str, data: bytes) -> bool:
    """Creates a file, whole, unless one is there: of any number that try at once, one wins.

    Returns:
        Whether this call created it.

    Raises:
        OSError: It could not be written.
    """
    return _backend(uri).create_if_absent(uri, data)


def list_folder(folder: str) -> list[StoredFile]:
    """The files directly in a folder, names beginning with a dot included, by name.

    A folder that does not exist (yet) has none.

    Raises:
        OSError: It cannot be listed.
    """
    return _backend(folder).list_folder(folder)


def delete(uri: str) -> None:
    """Removes a file; one that is not there is fine.

    Raises:
        OSError: It is there and could not be removed.
    """
    _backend(uri).delete(uri)


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
    _backend(folder).check_writable(folder)


def describe(error: OSError) -> str:
    """One line for people: the URI and what is wrong with it."""
    text = error.strerror or str(error) or type(error).__name__
    return f"{error.filename}: {text}" if error.filename else text


def unsupported(uri: str, operation: str) -> OSError:
    """The error for what a scheme's storage cannot honour."""
    message = (
        f"cannot {operation} {scheme(uri)}:// (no atomic writes there); "
        "the output must be gs:// or a local folder"
    )
    return OSError(errno.EOPNOTSUPP, f"{os.strerror(errno.EOPNOTSUPP)}: {message}", uri)
