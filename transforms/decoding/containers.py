"""Walking the blocks of PNG, WebP, GIF and TIFF files.

Sources: the PNG specification (third edition), the WebP container specification, GIF89a, TIFF 6.0
and BigTIFF.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"

_GIF_EXTENSION, _GIF_GRAPHIC_CONTROL = 0x21, 0xF9
_TIFF_INTEGERS = {1: "B", 3: "H", 4: "I", 6: "b", 8: "h", 9: "i", 13: "I", 16: "Q", 17: "q"}


def tiff_integers(data: bytes) -> dict[int, int]:
    """The first value of every integer tag in the first directory of a TIFF structure.

    Args:
        data: A classic TIFF or BigTIFF file, or an Exif block without its prefix.

    Returns:
        Values by tag.

    Raises:
        struct.error: The structure ends before its first directory does.
    """
    order = "<" if data[:2] == b"II" else ">"
    if struct.unpack_from(order + "H", data, 2)[0] == 43:
        (directory,) = struct.unpack_from(order + "Q", data, 8)
        count_format, entry_format, inline = order + "Q", order + "HHQ8s", 8
    else:
        (directory,) = struct.unpack_from(order + "I", data, 4)
        count_format, entry_format, inline = order + "H", order + "HHI4s", 4
    first = directory + struct.calcsize(count_format)
    if first > len(data):
        raise struct.error("the directory lies outside the file")
    (count,) = struct.unpack_from(count_format, data, directory)
    entry_size = struct.calcsize(entry_format)
    last = first + min(count, (len(data) - first) // entry_size) * entry_size
    if count * entry_size > len(data) - first:
        raise struct.error("the directory is cut off")

    integers = {}
    for tag, kind, values, field in struct.iter_unpack(entry_format, data[first:last]):
        if kind not in _TIFF_INTEGERS or values == 0:
            continue
        value_format = order + _TIFF_INTEGERS[kind]
        if values * struct.calcsize(value_format) <= inline:
            (integers[tag],) = struct.unpack_from(value_format, field)
            continue
        offset = int.from_bytes(field, "little" if order == "<" else "big")
        if offset + struct.calcsize(value_format) <= len(data):
            (integers[tag],) = struct.unpack_from(value_format, data, offset)
    return integers


def png_chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """The chunks of a PNG file, as far as the file reaches.

    Yields:
        Type, and where its content begins and ends; only chunks that are there in full, checksum
        included. ``IEND`` is the last one.
    """
    position = len(PNG_SIGNATURE)
    while position + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, position)
        begin, end = position + 8, position + 8 + length
        if end + 4 > len(data):
            return
        kind = data[position + 4 : begin]
        yield kind, begin, end
        if kind == b"IEND":
            return
        position = end + 4


def riff_chunks(data: bytes, begin: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """The chunks in a part of a RIFF file.

    Yields:
        Type, and where its content begins and ends; the last one may reach beyond ``end``.
    """
    while begin + 8 <= end:
        (length,) = struct.unpack_from("<I", data, begin + 4)
        yield data[begin : begin + 4], begin + 8, begin + 8 + length
        begin += 8 + length + length % 2


def webp_frame_size(data: bytes, kind: bytes, begin: int) -> tuple[int, int]:
    """Height and width in the bitstream of a ``VP8 `` or ``VP8L`` chunk."""
    if kind == b"VP8L":
        (bits,) = struct.unpack_from("<I", data, begin + 1)
        return (bits >> 14 & 0x3FFF) + 1, (bits & 0x3FFF) + 1
    width, height = struct.unpack_from("<HH", data, begin + 6)
    return height & 0x3FFF, width & 0x3FFF


@dataclass(frozen=True, slots=True)
class GifFrame:
    """Where the first frame of a GIF file is, in the file and on its screen.

    Attributes:
        top: First row on the screen.
        left: First column on the screen.
        height: Rows, which may reach beyond the screen.
        width: Columns.
        begin: Where the image descriptor begins in the file.
        transparent: The colour index that stands for no colour, or None.
    """

    top: int
    left: int
    height: int
    width: int
    begin: int
    transparent: int | None


def gif_palette_end(data: bytes) -> int:
    """Where the blocks of a GIF file begin, behind its header and global palette."""
    flags = data[10]
    return 13 + (3 << (flags & 7) + 1 if flags & 0x80 else 0)


def first_gif_frame(data: bytes) -> GifFrame | None:
    """Find the first frame of a GIF file, or None if it is not there."""
    transparent = None
    position = gif_palette_end(data)
    while position < len(data) and data[position] not in b";,":
        if data[position] != _GIF_EXTENSION:
            position += 1
            continue
        if data[position + 1] == _GIF_GRAPHIC_CONTROL and position + 7 <= len(data):
            has_transparency = data[position + 2] >= 4 and data[position + 3] & 1
            transparent = data[position + 6] if has_transparency else None
        position += 2
        while position < len(data) and data[position]:
            position += data[position] + 1
        position += 1
    if data[position : position + 1] != b",":
        return None
    left, top, width, height = struct.unpack_from("<HHHH", data, position + 1)
    return GifFrame(top, left, height, width, position, transparent)


def read_uint24(data: bytes, position: int) -> int:
    """A little-endian number of three bytes, as WebP stores sizes and places."""
    low, high = struct.unpack_from("<HB", data, position)
    return int(low | high << 16)
