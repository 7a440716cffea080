"""What every kind of storage says of files, and the errors that all of them raise.

Every operation raises :class:`OSError` or one of its subclasses with ``strerror`` a line for
people and ``filename`` the URI: :class:`FileNotFoundError`, :class:`PermissionError`,
:class:`ChangedError`, :class:`TooLargeError`, :class:`deeplab.credentials.CredentialsError`;
``errno`` is kept (``ENOSPC`` above all). ``EINVAL`` and ``EPROTONOSUPPORT`` say that a URI can name
no file.
"""

from __future__ import annotations

import errno
import re
from dataclasses import dataclass

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")


@dataclass(frozen=True, slots=True)
class StoredFile:
    """One file directly in a folder: its name without the folder, and its size in bytes."""

    name: str
    size: int


@dataclass(frozen=True, slots=True)
class FileVersion:
    """What tells a file's content from a later one.

    Attributes:
        version: The object's generation (``gs://``) or ``<size>-<mtime in ns>``; empty where no
            file is or none may be looked at.
        size: In bytes; None where the version is empty.
    """

    version: str = ""
    size: int | None = None


class TooLargeError(OSError):
    """A file has more bytes than the caller will take."""

    def __init__(self, size: int | None, max_bytes: int, uri: str) -> None:
        """Says so in one line; ``size`` is None where only more than ``max_bytes`` is known."""
        number = "more bytes" if size is None else f"{size:,} bytes, more"
        message = f"has {number} than the {max_bytes:,} of max_file_bytes"
        super().__init__(errno.EFBIG, message, uri)


class StorageDownError(OSError):
    """A storage has failed so often in a row that the run had better stop."""


class ChangedError(OSError):
    """What stands at a URI is not, or no longer, the version that was asked for."""


def scheme(uri: str) -> str:
    """The URI's scheme in lower case, ``""`` for a plain path and for ``file://``."""
    found = _SCHEME.match(uri)
    name = found.group(1).lower() if found else ""
    return "" if name == "file" else name


def join(folder: str, *names: str) -> str:
    """The URI of a file below a folder; ``names`` are relative."""
    if not folder:
        return "/".join(names)
    return "/".join([folder.rstrip("/"), *names])


def describe(error: OSError) -> str:
    """One line for people: the URI and what is wrong with it."""
    text = error.strerror or str(error) or type(error).__name__
    return f"{error.filename}: {text}" if error.filename else text
