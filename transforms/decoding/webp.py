"""WebP files, of animated ones the first frame.

They go to libwebp through OpenCV, which needs a fraction of the memory that Pillow does.
Source: the WebP container specification.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from beam_deeplab.transforms.decoding.colours import place_on_white, rgb_over_white
from beam_deeplab.transforms.decoding.formats import (
    MOST_BLOCKS,
    DecodeRequest,
    Header,
    ImageFormat,
    StoredPicture,
    check_size,
    corrupt,
    cut_off,
)
from beam_deeplab.transforms.decoding.orientation import stored_orientation

_ANIMATION_FLAG, _ALPHA_FLAG = 0x02, 0x10


def read_header(data: bytes) -> Header:
    """Read what a WebP claims; see :func:`transforms.decoding.codecs.read_header`."""
    (riff_size,) = struct.unpack_from("<I", data, 4)
    kind = data[12:16]
    if kind == b"VP8X":
        width, height = _uint24(data, 24) + 1, _uint24(data, 27) + 1
    elif kind in (b"VP8 ", b"VP8L"):
        height, width = _bitstream_size(data, kind, 20)
    else:
        raise corrupt(ImageFormat.WEBP, "its first chunk holds no picture")
    metadata: dict[bytes, bytes] = {}
    if kind == b"VP8X":
        for chunk, begin, end in _riff_chunks(data, 12, min(len(data), riff_size + 8)):
            if chunk in (b"EXIF", b"XMP "):
                metadata.setdefault(chunk, data[begin:end])
    orientation = stored_orientation(metadata.get(b"EXIF"), metadata.get(b"XMP "))
    return Header(ImageFormat.WEBP, height, width, orientation, pixel_bytes=10)


def decode(data: bytes, request: DecodeRequest) -> StoredPicture:
    """Decode a WebP; see :func:`transforms.decoding.codecs.decode_stored`."""
    (riff_size,) = struct.unpack_from("<I", data, 4)
    if riff_size + 8 > len(data):
        raise cut_off(ImageFormat.WEBP)
    if data[12:16] == b"VP8X" and data[20] & _ANIMATION_FLAG:
        return StoredPicture(_decode_animated(data, request.header))
    return StoredPicture(_decode_still(data, request.header.height, request.header.width))


def _decode_still(data: bytes, height: int, width: int) -> NDArray[np.uint8]:
    # Libwebp allocates what the bitstream says, not what the canvas does.
    for kind, begin, _ in _riff_chunks(data, 12, len(data)):
        if kind in (b"VP8 ", b"VP8L"):
            check_size(Header(ImageFormat.WEBP, height, width), *_bitstream_size(data, kind, begin))
            break
    pixels = cv2.imdecode(
        np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED | cv2.IMREAD_IGNORE_ORIENTATION
    )
    if pixels is None:
        raise corrupt(ImageFormat.WEBP, "libwebp cannot decode it")
    check_size(Header(ImageFormat.WEBP, height, width), *pixels.shape[:2])
    if pixels.shape[2] == 3:
        rgb: NDArray[np.uint8] = cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB)
        return rgb
    cv2.cvtColor(pixels, cv2.COLOR_BGRA2RGBA, dst=pixels)
    return rgb_over_white(Image.frombuffer("RGBA", (width, height), pixels))


def _decode_animated(data: bytes, header: Header) -> NDArray[np.uint8]:
    for kind, begin, end in _riff_chunks(data, 12, len(data)):
        if kind == b"ANMF":
            left, top = 2 * _uint24(data, begin), 2 * _uint24(data, begin + 3)
            width, height = _uint24(data, begin + 6) + 1, _uint24(data, begin + 9) + 1
            still = _still_webp(data, begin + 16, min(end, len(data)), height, width)
            return place_on_white(_decode_still(still, height, width), header, top, left)
    raise corrupt(ImageFormat.WEBP, "an animation without a frame")


def _still_webp(data: bytes, begin: int, end: int, height: int, width: int) -> bytes:
    """One frame of an animation as a file of its own."""
    if not any(kind in (b"VP8 ", b"VP8L") for kind, *_ in _riff_chunks(data, begin, end)):
        raise corrupt(ImageFormat.WEBP, "a frame without a picture")
    sides = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    features = struct.pack("<4sIB3x", b"VP8X", 10, _ALPHA_FLAG) + sides
    chunks = b"WEBP" + features + data[begin:end]
    return struct.pack("<4sI", b"RIFF", len(chunks)) + chunks


def _riff_chunks(data: bytes, begin: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """The chunks in a part of a file: type, begin and end, the last one perhaps beyond ``end``."""
    for _ in range(MOST_BLOCKS):
        if begin + 8 > end:
            return
        (length,) = struct.unpack_from("<I", data, begin + 4)
        yield data[begin : begin + 4], begin + 8, begin + 8 + length
        begin += 8 + length + length % 2
    raise corrupt(ImageFormat.WEBP, f"it has more than {MOST_BLOCKS} chunks")


def _bitstream_size(data: bytes, kind: bytes, begin: int) -> tuple[int, int]:
    """Height and width in the bitstream of a ``VP8 `` or ``VP8L`` chunk."""
    if kind == b"VP8L":
        (bits,) = struct.unpack_from("<I", data, begin + 1)
        return (bits >> 14 & 0x3FFF) + 1, (bits & 0x3FFF) + 1
    width, height = struct.unpack_from("<HH", data, begin + 6)
    return height & 0x3FFF, width & 0x3FFF


def _uint24(data: bytes, position: int) -> int:
    low, high = struct.unpack_from("<HB", data, position)
    return int(low | high << 16)
