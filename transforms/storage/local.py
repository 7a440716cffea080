"""Local files: atomic, durable writes and reads that know which version they read.

The operations are those of :mod:`transforms.storage`. A URI is a path, or ``file://`` with
percent-escapes, which is how a file is named whose name is not UTF-8.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import secrets
import stat
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote, unquote_to_bytes

from beam_deeplab.transforms.storage.interface import (
    ChangedError,
    FileVersion,
    StoredFile,
    TooLargeError,
)

_TEMPORARY = re.compile(r"\..+\.[0-9a-f]{16}\.tmp")

_NO_HARD_LINKS = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS}


def local_path(uri: str) -> str:
    """The path that a local URI names."""
    if uri[:7].lower() != "file://":
        return uri
    # An authority may be named; only this machine's is meant.
    path = re.sub(r"^localhost(?=/)", "", uri[7:], flags=re.IGNORECASE)
    return os.fsdecode(unquote_to_bytes(path))


def local_uri(path: str) -> str:
    """The URI of a path: the path itself, percent-escaped only where it is not UTF-8."""
    try:
        path.encode()
    except UnicodeEncodeError:
        return "file://" + quote(os.fsencode(path))
    return path


def is_temporary_name(name: str) -> bool:
    """Whether a file name is one that :func:`write_atomically` uses until a file is complete."""
    return _TEMPORARY.fullmatch(name) is not None


def version_of(status: os.stat_result) -> FileVersion:
    """``<size>-<mtime in ns>``, and the size."""
    return FileVersion(f"{status.st_size}-{status.st_mtime_ns}", status.st_size)


def read(uri: str) -> bytes:
    """See :func:`transforms.storage.read`."""
    with open_seekable(uri) as file, _naming(uri):
        return file.read()


def read_version(
    uri: str,
    version: str,
    size: int | None = None,  # noqa: ARG001 - the interface's shape
    max_bytes: int | None = None,
) -> tuple[bytes, str]:
    """See :func:`transforms.storage.read_version`.

    The version is checked on the open file before and after the read, so the bytes are that
    version's, up to changes within one tick of the file system's clock that keep the size.
    """
    with open_seekable(uri) as file, _naming(uri):
        found = version_of(os.fstat(file.fileno()))
        if version and found.version != version:
            raise ChangedError(errno.ESTALE, "changed since it was listed", uri)
        assert found.size is not None
        if max_bytes is not None and found.size > max_bytes:
            raise TooLargeError(found.size, max_bytes, uri)
        # One more than there are: what grows meanwhile, or has no end, shows and is not held.
        data = file.read(found.size + 1)
        if version_of(os.fstat(file.fileno())) != found or len(data) != found.size:
            raise ChangedError(errno.ESTALE, "changed while it was read", uri)
        return data, found.version


def versions(uris: Sequence[str]) -> list[FileVersion]:
    """See :func:`transforms.storage.versions`."""
    return [_version(uri) for uri in uris]


def _version(uri: str) -> FileVersion:
    try:
        status = os.stat(local_path(uri))  # noqa: PTH116 - a list may have millions of lines
    except (OSError, ValueError):
        return FileVersion()
    return version_of(status) if stat.S_ISREG(status.st_mode) else FileVersion()


def write_atomically(uri: str, data: bytes) -> None:
    """See :func:`transforms.storage.write_atomically`."""
    path = Path(local_path(uri))
    with _naming(uri):
        _make_folder(path.parent)
        with _complete_temporary(path, data) as temporary:
            temporary.replace(path)
        _sync_folder(path.parent)


def create_if_absent(uri: str, data: bytes) -> bool:
    """See :func:`transforms.storage.create_if_absent`.

    On a file system without hard links (exFAT, some network shares) a reader may see the file
    while it is written; still only one of several callers creates it.
    """
    path = Path(local_path(uri))
    with _naming(uri):
        if os.path.lexists(path):
            return False
        _make_folder(path.parent)
        with _complete_temporary(path, data) as temporary:
            try:
                path.hardlink_to(temporary)
            except FileExistsError:
                # A link made over NFS can be reported as failed when its answer got lost.
                return temporary.stat().st_nlink == 2
            except OSError as error:
                if error.errno not in _NO_HARD_LINKS:
                    raise
                return _create_exclusively(path, data)
        _sync_folder(path.parent)
    return True


def list_folder(folder: str, prefix: str = "") -> list[StoredFile]:
    """See :func:`transforms.storage.list_folder`."""
    files = []
    try:
        with _naming(folder), os.scandir(local_path(folder)) as entries:
            for entry in entries:
                # What vanishes while we look is not there.
                with contextlib.suppress(FileNotFoundError):
                    if entry.name.startswith(prefix) and entry.is_file():
                        files.append(StoredFile(entry.name, entry.stat().st_size))
    except FileNotFoundError:
        return []
    return sorted(files, key=lambda file: file.name)


def files_below(folder: str) -> Iterator[str]:
    """See :func:`transforms.storage.files_below`."""

    def give_up(error: OSError) -> None:
        if not isinstance(error, FileNotFoundError):
            raise error

    with _naming(folder):
        for parent, _, names in os.walk(local_path(folder), onerror=give_up):
            yield from (local_uri(os.path.join(parent, name)) for name in sorted(names))  # noqa: PTH118


def delete(uri: str) -> None:
    """See :func:`transforms.storage.delete`."""
    path = Path(local_path(uri))
    with _naming(uri):
        try:
            path.unlink()
        except (FileNotFoundError, NotADirectoryError):
            return
        _sync_folder(path.parent)


def exists(uri: str) -> bool:
    """See :func:`transforms.storage.exists`."""
    try:
        with _naming(uri):
            return stat.S_ISREG(Path(local_path(uri)).stat().st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return False


def open_seekable(uri: str) -> BinaryIO:
    """See :func:`transforms.storage.open_seekable`."""
    with _naming(uri):
        # A FIFO would block for ever when opened to be read, and has no content to come back to.
        handle = os.open(local_path(uri), os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            mode = os.fstat(handle).st_mode
            if stat.S_ISDIR(mode):
                raise IsADirectoryError(errno.EISDIR, "is a folder, not a file", uri)
            if not stat.S_ISREG(mode):
                raise OSError(errno.EINVAL, "is not a regular file", uri)
            return os.fdopen(handle, "rb")
        except BaseException:
            os.close(handle)
            raise


def check_writable(folder: str) -> None:
    """See :func:`transforms.storage.check_writable`."""
    with _naming(folder):
        there = Path(local_path(folder)).absolute()
        while not os.path.lexists(there):
            there = there.parent
        if not there.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, f"{there} is not a folder", folder)
        with tempfile.TemporaryFile(dir=there) as probe:
            probe.write(b"\0")
            probe.flush()
            os.fsync(probe.fileno())


@contextlib.contextmanager
def _naming(uri: str) -> Iterator[None]:
    """Lets an error name the URI that was asked for, not a temporary file."""
    try:
        yield
    except (ChangedError, TooLargeError):
        raise
    except OSError as error:
        text = error.strerror or str(error)
        raise OSError(error.errno or errno.EIO, text, uri) from error
    except ValueError as error:  # a path with a NUL character
        raise OSError(errno.EINVAL, str(error), uri) from error


@contextlib.contextmanager
def _complete_temporary(path: Path, data: bytes) -> Iterator[Path]:
    """A file beside ``path`` with all the data, on the disk; gone afterwards unless renamed."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}.tmp")
    try:
        _write_and_sync(temporary.open("xb"), data)
        yield temporary
    finally:
        temporary.unlink(missing_ok=True)


def _write_and_sync(file: BinaryIO, data: bytes) -> None:
    with file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _create_exclusively(path: Path, data: bytes) -> bool:
    try:
        file = path.open("xb")
    except FileExistsError:
        return False
    try:
        _write_and_sync(file, data)
    except BaseException:
        path.unlink()
        raise
    _sync_folder(path.parent)
    return True


def _make_folder(folder: Path) -> None:
    missing = folder
    made = []
    while not missing.exists():
        made.append(missing)
        missing = missing.parent
    folder.mkdir(parents=True, exist_ok=True)
    for new in made:
        _sync_folder(new.parent)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    except OSError as error:
        # Some network and FUSE file systems cannot sync a folder; their renames are durable or
        # they are not, and we cannot do more.
        if error.errno not in (errno.EINVAL, errno.EOPNOTSUPP, errno.ENOTSUP):
            raise
    finally:
        os.close(handle)
