"""Unpacking archives of weights that nobody vouches for.

An archive may hold regular files and folders, nothing else, and nothing outside its own folder.
What it may cost is bounded by what is read, not by what its headers claim: the bytes between two
members' contents (headers, padding, long names), the contents, the number of members, and the
memory of a decompressor.
"""

from __future__ import annotations

import bz2
import errno
import gzip
import io
import lzma
import shutil
import stat
import tarfile
import zipfile
import zlib
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import BinaryIO, cast

from beam_deeplab.deeplab.zoo.errors import ArchiveError

MAX_BYTES = 4 << 30
"""Bytes that an archive may unpack to; the largest official one holds about half a GB."""
MAX_MEMBERS = 1000
"""Files and folders that an archive may hold; the official ones have less than ten."""
ARCHIVE_SUFFIXES = (
    *(".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz"),
    ".zip",
)

_GZIP, _BZIP2, _XZ, _ZIP = b"\x1f\x8b", b"BZh", b"\xfd7zXZ\0", b"PK\3\4"
_TAR, _TAR_OFFSET = b"ustar", 257
_HEADER_BYTES = 1 << 20
_TAR_BUFFER = 10240
_CHUNK = 1 << 18
_XZ_MEMORY = 256 << 20
"""Bytes; what `xz -9` packs takes 65 MiB to unpack, a header can claim 4 GiB."""
_LONGEST_NAME, _LONGEST_PATH = 255, 1024
"""Bytes that file systems take."""
_ZIP_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2)


def is_archive(name: str) -> bool:
    """Whether an object of this name is unpacked before use."""
    return name.lower().endswith(ARCHIVE_SUFFIXES)


def holds_archive(path: Path) -> bool:
    """Whether a local file is an archive, whatever its name: by its first bytes.

    Raises:
        OSError: It cannot be read.
    """
    with path.open("rb") as file:
        head = file.read(_TAR_OFFSET + len(_TAR))
    packed = head.startswith((_GZIP, _BZIP2, _XZ, _ZIP))
    return packed or head[_TAR_OFFSET:] == _TAR or is_archive(path.name)


def unpack_archive(archive: Path, folder: Path) -> Path:
    """Unpack a tar archive, plain or compressed with gzip, bzip2 or xz, or a zip archive.

    Metadata files of macOS (``._name``) are left out. On an error the folder, which has to be
    empty, may be left half full: give one that can be thrown away.

    Returns:
        The folder that holds the archive's files: ``folder`` or, if all lies in one top folder,
        that one.

    Raises:
        ArchiveError: If the archive is damaged or cut short, is empty, is too large, or holds a
            link, a device, a sparse file, a path that leaves the folder, or a path twice.
        OSError: If the disk does not take the files.
    """
    place = _Place(folder)
    try:
        with archive.open("rb") as packed:
            if packed.read(len(_ZIP)) == _ZIP:
                _unpack_zip(packed, place)
            else:
                packed.seek(0)
                with _decompressed(packed) as content:
                    _unpack_tar(_Allowance(content), place)
        if not any(path.is_file() for path in folder.rglob("*")):
            raise ArchiveError("it is empty")
    except ArchiveError as error:
        raise ArchiveError(f"refused to unpack {archive.name}: {error}") from error
    except _DAMAGE as error:
        raise ArchiveError(f"cannot unpack {archive.name}: {error or 'it is damaged'}") from error
    except OSError as error:
        # gzip reports a bad magic number or checksum as an OSError without an errno; zip seeks to
        # where a damaged directory sends it; names may be none that the disk takes.
        if error.errno not in (None, errno.EINVAL, errno.ENAMETOOLONG, errno.EILSEQ):
            raise
        raise ArchiveError(f"cannot unpack {archive.name}: {error}") from error
    return _top_folder(folder)


_DAMAGE = (
    *(tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError),
    *(UnicodeError, ValueError, NotImplementedError, RuntimeError, OverflowError),
)
"""What damaged archives make the standard library raise."""


class _Place:
    """The folder that an archive is unpacked into, and what it may still take."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._is_folder: dict[PurePosixPath, bool] = {}
        self._members = self._bytes = 0

    def admit(self, name: str, size: int, *, is_folder: bool) -> PurePosixPath:
        """Checks a member before it is unpacked; gives its path."""
        path, windows = PurePosixPath(name), PureWindowsPath(name)
        if path.is_absolute() or windows.drive or windows.root:
            raise ArchiveError(f"{_brief(name)} is an absolute path")
        if ".." in path.parts or ".." in windows.parts or "\0" in name:
            raise ArchiveError(f"{_brief(name)} leads out of the archive's folder")
        if size < 0 or (is_folder and size) or not (path.parts or is_folder):
            raise ArchiveError(f"{_brief(name)} has an impossible header")
        length, *parts = (len(each.encode("utf-8", "replace")) for each in (name, *path.parts))
        if length > _LONGEST_PATH or max(parts, default=0) > _LONGEST_NAME:
            raise ArchiveError(f"{_brief(name)} is a longer path than file systems take")
        self._members += 1
        self._bytes += size
        if self._bytes > MAX_BYTES:
            raise ArchiveError(f"it holds more than the {MAX_BYTES} bytes allowed")
        if self._members > MAX_MEMBERS:
            raise ArchiveError(f"it holds more than the {MAX_MEMBERS} files allowed")
        if not self._is_folder.get(path, True) or (path in self._is_folder and not is_folder):
            raise ArchiveError(f"it holds {_brief(name)} twice")
        if not all(self._is_folder.get(parent, True) for parent in path.parents):
            raise ArchiveError(f"it holds {_brief(name)} inside of a file")
        self._is_folder[path] = is_folder
        return path

    def write(self, path: PurePosixPath, content: BinaryIO | None, size: int) -> None:
        """Writes a file of just this size, or makes a folder where there is no content."""
        if path.name.startswith("._"):
            return
        target = self.folder / path
        if content is None:
            target.mkdir(parents=True, exist_ok=True)
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("xb") as file:
            # One byte more, so that a content that goes on is read to its checksum or found.
            shutil.copyfileobj(_Limited(content, size), file, _CHUNK)


def _brief(name: str) -> str:
    return repr(name if len(name) <= 120 else f"{name[:120]}…")


class _Limited(io.RawIOBase):
    """A stream that must have just so many bytes."""

    def __init__(self, stream: BinaryIO, size: int) -> None:
        self._stream = stream
        self._left = size

    def read(self, size: int = -1, /) -> bytes:
        content = self._stream.read(min(size, self._left + 1))
        self._left -= len(content)
        if self._left < 0:
            raise ArchiveError("it holds more bytes than its headers say")
        if not content and self._left:
            raise EOFError("it is cut short")
        return content


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


class _XzReader(io.RawIOBase):
    """The content of an xz file, with a limit on memory that :mod:`lzma` files lack."""

    def __init__(self, packed: BinaryIO) -> None:
        self._packed = packed
        self._decompressor = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_XZ_MEMORY)

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1, /) -> bytes:
        content = b""
        while not content and not self._decompressor.eof:
            fresh = self._packed.read(_CHUNK) if self._decompressor.needs_input else b""
            if self._decompressor.needs_input and not fresh:
                raise EOFError("it is cut short")
            content = self._decompressor.decompress(fresh, size)
        return content


def _decompressed(packed: BinaryIO) -> BinaryIO:
    magic = packed.read(len(_XZ))
    packed.seek(0)
    content: object = packed
    if magic.startswith(_GZIP):
        content = gzip.GzipFile(fileobj=packed, mode="rb")
    elif magic.startswith(_BZIP2):
        content = bz2.BZ2File(packed)
    elif magic == _XZ:
        content = _XzReader(packed)
    return cast(BinaryIO, content)  # each reads as one


def _unpack_tar(content: _Allowance, place: _Place) -> None:
    content.allow(_HEADER_BYTES)
    with tarfile.open(fileobj=content, mode="r|", bufsize=_TAR_BUFFER) as tar:
        while (member := tar.next()) is not None:
            if member.issym() or member.islnk():
                raise ArchiveError(f"{_brief(member.name)} is a link")
            if member.issparse() or not (member.isreg() or member.isdir()):
                raise ArchiveError(f"{_brief(member.name)} is neither a plain file nor a folder")
            path = place.admit(member.name, member.size, is_folder=member.isdir())
            content.allow(member.size + _TAR_BUFFER)
            place.write(path, cast("BinaryIO | None", tar.extractfile(member)), member.size)
            content.allow(_HEADER_BYTES)
        # Checksums of compressed streams are checked only when they are read to their end.
        while content.read(_TAR_BUFFER):
            pass


def _unpack_zip(packed: BinaryIO, place: _Place) -> None:
    with zipfile.ZipFile(packed) as archive:
        for member in archive.infolist():
            kind = stat.S_IFMT(member.external_attr >> 16)
            if kind == stat.S_IFLNK:
                raise ArchiveError(f"{_brief(member.filename)} is a link")
            if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise ArchiveError(
                    f"{_brief(member.filename)} is neither a plain file nor a folder"
                )
            if member.flag_bits & 1:
                raise ArchiveError(f"{_brief(member.filename)} is encrypted")
            if member.compress_type not in _ZIP_METHODS:
                raise ArchiveError(f"{_brief(member.filename)} is compressed in an unusual way")
            path = place.admit(member.filename, member.file_size, is_folder=member.is_dir())
            if member.is_dir():
                place.write(path, None, 0)
            else:
                with archive.open(member) as content:
                    place.write(path, cast(BinaryIO, content), member.file_size)


def _top_folder(folder: Path) -> Path:
    entries = list(folder.iterdir())
    while len(entries) == 1 and entries[0].is_dir():
        folder = entries[0]
        entries = list(folder.iterdir())
    return folder
