"""GIF files, of animated ones the first frame, over a white screen.

Source: GIF89a.
"""

from __future__ import annotations

import re
import struct
from io import BytesIO
from typing import NamedTuple

from PIL.GifImagePlugin import GifImageFile

from beam_deeplab.transforms.decoding.colours import place_on_white, rgb_over_white
from beam_deeplab.transforms.decoding.formats import (
    MOST_BLOCKS,
    DecodeRequest,
    Header,
    ImageFormat,
    StoredPicture,
    corrupt,
    load_picture,
)

_GRAPHIC_CONTROL = 0xF9
_BLOCK = re.compile(rb"[!,;]")


class _Frame(NamedTuple):
    """Where the first frame is on its screen, beyond which it may reach, and in the file."""

    top: int
    left: int
    height: int
    width: int
    begin: int
    transparent: int | None


def read_header(data: bytes) -> Header:
    """Read what a GIF claims; see :func:`transforms.decoding.codecs.read_header`."""
    width, height = struct.unpack_from("<HH", data, 6)
    frame = _first_frame(data)
    if frame is not None:
        # Frames larger than the screen occur; the picture then has the size of both together.
        height = max(height, frame.top + frame.height)
        width = max(width, frame.left + frame.width)
    return Header(ImageFormat.GIF, height, width, pixel_bytes=8)


def decode(data: bytes, request: DecodeRequest) -> StoredPicture:
    """Decode a GIF; see :func:`transforms.decoding.codecs.decode_stored`."""
    frame = _first_frame(data)
    if frame is None:
        raise corrupt(ImageFormat.GIF, "there is no picture in it")
    # The first frame as a file of its own: Pillow would allocate for its disposal, too.
    size = struct.pack("<HH", frame.width, frame.height)
    graphic_control = b""
    if frame.transparent is not None:
        graphic_control = struct.pack("<BBBBHBB", 0x21, 0xF9, 4, 1, 0, frame.transparent, 0)
    still = b"".join(
        (
            data[:6],
            size,
            data[10 : _palette_end(data)],
            graphic_control,
            b",\0\0\0\0",
            size,
            memoryview(data)[frame.begin + 9 :],
        )
    )
    image, truncated = load_picture(
        GifImageFile(BytesIO(still)),
        Header(ImageFormat.GIF, frame.height, frame.width),
        keep=request.keeps_truncated,
    )
    pixels = place_on_white(rgb_over_white(image), request.header, frame.top, frame.left)
    return StoredPicture(pixels, truncated=truncated)


def _palette_end(data: bytes) -> int:
    """Where the blocks begin, behind the header and the global palette."""
    flags = data[10]
    return 13 + (3 << (flags & 7) + 1 if flags & 0x80 else 0)


def _first_frame(data: bytes) -> _Frame | None:
    transparent = None
    position = _palette_end(data)
    steps = 0
    while (block := _BLOCK.search(data, position)) and block[0] == b"!":
        position = block.start()
        if data[position + 1] == _GRAPHIC_CONTROL and position + 7 <= len(data):
            has_transparency = data[position + 2] >= 4 and data[position + 3] & 1
            transparent = data[position + 6] if has_transparency else None
        position += 2
        while position < len(data) and data[position]:
            position += data[position] + 1
            steps += 1
            if steps > MOST_BLOCKS:
                raise corrupt(ImageFormat.GIF, f"more than {MOST_BLOCKS} blocks before its picture")
        position += 1
        steps += 1
    if block is None or block[0] != b",":
        return None
    left, top, width, height = struct.unpack_from("<HHHH", data, block.start() + 1)
    return _Frame(top, left, height, width, block.start(), transparent)
