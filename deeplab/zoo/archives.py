"""Unpacking archives of weights that nobody vouches for.

An archive may hold regular files and folders, nothing else, and nothing outside its own folder.
What it may cost is bounded by what is read, not by what its headers claim: the bytes between two
members' contents (headers, padding, long names), the contents, and the number of members.
"""

from __future__ import annotations

import io
import tarfile
import zlib
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import BinaryIO

from beam_deeplab.deeplab.zoo.errors import ArchiveError

MAX_BYTES = 4 << 30
"""Bytes that an archive may unpack to; the largest official one holds about half a GB."""
MAX_MEMBERS = 1000
"""Files and folders that an archive may hold; the official ones have less than ten."""
ARCHIVE_SUFFIXES = (".tar.gz", ".tgz", ".tar")

_HEADER_BYTES = 1 << 20
_TAR_BUFFER = 10240


def is_archive(path: str) -> bool:
    """Whether a file or object of this name is unpacked before use."""
    return path.lower().endswith(ARCHIVE_SUFFIXES)


def unpack_archive(
    archive: Path, folder: Path, *, max_bytes: int = MAX_BYTES, max_members: int = MAX_MEMBERS
) -> Path:
    """Unpack a tar archive, plain or compressed with gzip.

    Metadata files of macOS (``._name``) are left out. On an error the folder may be left half
    full: give one that can be thrown away.

    Args:
        archive: The archive.
        folder: An empty folder to unpack into.
        max_bytes: Bytes that all files together may have.
        max_members: How many files and folders it may hold.

    Returns:
        The folder that holds the archive's files: ``folder`` or, if all lies in one top folder,
        that one.

    Raises:
        ArchiveError: If the archive is damaged or cut short, is empty, is too large, or holds a
            link, a device, a sparse file, a path that leaves the folder, or a path twice.
        OSError: If the disk does not take the files.
    """
    try:
        with archive.open("rb") as packed, _decompressed(packed) as content:
            _unpack_stream(_Allowance(content), folder, max_bytes, max_members)
    except ArchiveError as error:
        raise ArchiveError(f"refused to unpack {archive.name}: {error}") from error
    except (tarfile.TarError, EOFError, zlib.error, UnicodeError, ValueError) as error:
        raise ArchiveError(f"cannot unpack {archive.name}: {error or 'it is damaged'}") from error
    except OSError as error:
        # gzip reports a bad magic number or checksum as an OSError without an errno.
        if error.errno is not None:
            raise
        raise ArchiveError(f"cannot unpack {archive.name}: {error}") from error
    return _top_folder(folder)


class _Allowance(io.RawIOBase):
    """A stream that gives no more than was allowed since the last :meth:`allow`."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._left = 0

    def allow(self, count: int) -> None:
        self._left = count

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1, /) -> bytes:
        if size < 0 or size > self._left:
            size = self._left + 1
        content = self._stream.read(size)
        if len(content) > self._left:
            raise ArchiveError("it holds more bytes than its headers say, or its headers are huge")
        self._left -= len(content)
        return content


def _decompressed(packed: BinaryIO) -> BinaryIO:
    import gzip

    magic = packed.read(2)
    packed.seek(0)
    if magic == b"\x1f\x8b":
        return gzip.GzipFile(fileobj=packed, mode="rb")  # type: ignore[return-value]  # reads as one
    return packed


def _unpack_stream(content: _Allowance, folder: Path, max_bytes: int, max_members: int) -> None:
    content.allow(_HEADER_BYTES)
    is_folder: dict[PurePosixPath, bool] = {}
    members = unpacked = 0
    with tarfile.open(fileobj=content, mode="r|", bufsize=_TAR_BUFFER) as tar:
        while (member := tar.next()) is not None:
            path = _safe_path(member)
            members += 1
            unpacked += member.size
            if unpacked > max_bytes:
                raise ArchiveError(f"it holds more than the {max_bytes} bytes allowed")
            if members > max_members:
                raise ArchiveError(f"it holds more than the {max_members} files allowed")
            if not is_folder.get(path, True) or (path in is_folder and not member.isdir()):
                raise ArchiveError(f"it holds {str(path)!r} twice")
            if not all(is_folder.get(parent, True) for parent in path.parents):
                raise ArchiveError(f"it holds {str(path)!r} inside of a file")
            is_folder[path] = member.isdir()
            if not path.name.startswith("._"):
                content.allow(member.size + _TAR_BUFFER)
                tar.extract(member, folder, filter="data")
            content.allow(_HEADER_BYTES)
        # gzip checks its checksum only when the stream is read to its end.
        while content.read(_TAR_BUFFER):
            pass
    if not any(path.is_file() for path in folder.rglob("*")):
        raise ArchiveError("it is empty")


def _safe_path(member: tarfile.TarInfo) -> PurePosixPath:
    name = member.name
    path = PurePosixPath(name)
    if member.issym() or member.islnk():
        raise ArchiveError(f"{name!r} is a link")
    if member.issparse() or not (member.isreg() or member.isdir()):
        raise ArchiveError(f"{name!r} is neither a plain file nor a folder")
    windows = PureWindowsPath(name)
    if path.is_absolute() or windows.drive or windows.root:
        raise ArchiveError(f"{name!r} is an absolute path")
    if ".." in path.parts or ".." in windows.parts or "\0" in name:
        raise ArchiveError(f"{name!r} leads out of the archive's folder")
    if member.size < 0 or (member.isdir() and member.size) or not (path.parts or member.isdir()):
        raise ArchiveError(f"{name!r} has an impossible header")
    return path


def _top_folder(folder: Path) -> Path:
    entries = list(folder.iterdir())
    while len(entries) == 1 and entries[0].is_dir():
        folder = entries[0]
        entries = list(folder.iterdir())
    return folder
