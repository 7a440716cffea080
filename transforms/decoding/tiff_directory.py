"""The directories of a TIFF structure: of a TIFF file, or of an Exif block.

Sources: TIFF 6.0, BigTIFF. Entries are read at once and not one by one, so that a directory of
millions costs no more than its bytes.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

_INTEGERS = {
    1: "u1", 3: "u2", 4: "u4", 6: "i1", 8: "i2", 9: "i4", 13: "u4", 16: "u8", 17: "i8", 18: "u8"
}  # fmt: skip
_SIZES = np.zeros(1 << 16, np.int64)
_SIZES[1:19] = 1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8, 4, 0, 0, 8, 8, 8


@dataclass(frozen=True, slots=True)
class TiffDirectory:
    """The entries of a directory, as far as they are there.

    Attributes:
        data: The structure.
        order: ``<`` or ``>``.
        entries: Of the fields tag, kind, count and field (the value, or where it is).
        is_whole: Whether all the entries that it claims are there.
        following: Where the next directory is; 0 if there is none.
    """

    data: bytes
    order: str
    entries: NDArray[Any]
    is_whole: bool
    following: int

    def __contains__(self, tag: int) -> bool:
        return bool((self.entries["tag"] == tag).any())

    def content(self, tag: int) -> bytes:
        """The bytes of a value, empty if there is none or it lies outside the structure."""
        found = self._find(tag)
        return b"" if found is None else found[1]

    def integers(self, tag: int) -> NDArray[Any]:
        """The integers of a value, empty if there is none, or none that can be read."""
        found = self._find(tag)
        if found is None or found[0] not in _INTEGERS:
            return np.zeros(0, np.int64)
        dtype = np.dtype(self.order + _INTEGERS[found[0]])
        return np.frombuffer(found[1], dtype, len(found[1]) // dtype.itemsize)

    def integer(self, tag: int, default: int) -> int:
        """The first integer of a value."""
        values = self.integers(tag)
        return int(values[0]) if len(values) else default

    def _find(self, tag: int) -> tuple[int, bytes] | None:
        places = np.flatnonzero(self.entries["tag"] == tag)
        if not len(places):
            return None
        entry = self.entries[places[-1]]
        kind, count, field = int(entry["kind"]), int(entry["count"]), entry["field"].tobytes()
        size = int(_SIZES[kind]) * count
        if size <= len(field):
            return kind, field[:size]
        offset = int.from_bytes(field, "little" if self.order == "<" else "big")
        return kind, self.data[offset : offset + size] if offset + size <= len(self.data) else b""


def read_directory(data: bytes, begin: int | None = None) -> TiffDirectory:
    """Read a directory of a TIFF or BigTIFF file, or of an Exif block without its prefix.

    Returns:
        The entries of the one at ``begin``, or else of the first, as far as the structure reaches;
        of a tag given twice the last one counts.

    Raises:
        struct.error: It is no TIFF structure, or ends before its directory begins.
    """
    if data[:2] not in (b"II", b"MM"):
        raise struct.error("no byte order")
    order = "<" if data[:2] == b"II" else ">"
    is_big = struct.unpack_from(order + "H", data, 2)[0] == 43
    offset = order + ("Q" if is_big else "I")
    if begin is None:
        (begin,) = struct.unpack_from(offset, data, 8 if is_big else 4)
    if begin > len(data):
        raise struct.error("the directory lies outside the file")
    (count,) = struct.unpack_from(order + ("Q" if is_big else "H"), data, begin)
    begin += 8 if is_big else 2
    number, field = (order + "u8", "V8") if is_big else (order + "u4", "V4")
    entry = np.dtype(
        [("tag", order + "u2"), ("kind", order + "u2"), ("count", number), ("field", field)]
    )
    there = min(count, (len(data) - begin) // entry.itemsize)
    end = begin + there * entry.itemsize
    following = 0
    if there == count and end + struct.calcsize(offset) <= len(data):
        (following,) = struct.unpack_from(offset, data, end)
    entries = np.frombuffer(data, entry, there, begin)
    return TiffDirectory(data, order, entries, there == count, following)


def with_only(data: bytes, directory: TiffDirectory, tags: frozenset[int]) -> bytes:
    """The file with one directory at its end, which holds just some tags of one that it had.

    Of a tag given twice it holds the last entry. Whatever else was in the file stays where it was,
    but no reader finds it.
    """
    wanted = np.flatnonzero(np.isin(directory.entries["tag"], sorted(tags)))
    places = {int(directory.entries["tag"][place]): place for place in wanted.tolist()}
    kept = directory.entries[[places[tag] for tag in sorted(places)]].tobytes()
    is_big = directory.entries.itemsize == 20
    number, offset, place = ("Q", "Q", 8) if is_big else ("H", "I", 4)
    begin = len(data) + len(data) % 2
    return b"".join(
        (
            data[:place],
            struct.pack(directory.order + offset, begin),
            memoryview(data)[place + struct.calcsize(offset) :],
            bytes(begin - len(data)),
            struct.pack(directory.order + number, len(places)),
            kept,
            bytes(struct.calcsize(offset)),
        )
    )
