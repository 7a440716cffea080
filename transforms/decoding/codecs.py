"""The formats that are read, each with what reads its header and its pixels.

A new format is one module with two functions like these, a signature in
:mod:`transforms.decoding.formats`, and a line here.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import NamedTuple

from beam_deeplab.transforms.decoding import bmp, gif, heif, jpeg, jpeg_structure, png, tiff, webp
from beam_deeplab.transforms.decoding.formats import (
    DecodeRequest,
    DecodingError,
    Header,
    ImageFormat,
    StoredPicture,
    corrupt,
    sniff_format,
)
from beam_deeplab.transforms.records import FailureCode


class Codec(NamedTuple):
    """What reads one format: a file's claims, and its pixels as far as they are wanted."""

    read_header: Callable[[bytes], Header]
    decode: Callable[[bytes, DecodeRequest], StoredPicture]


_CODECS = {
    ImageFormat.JPEG: Codec(jpeg_structure.read_header, jpeg.decode),
    ImageFormat.PNG: Codec(png.read_header, png.decode),
    ImageFormat.WEBP: Codec(webp.read_header, webp.decode),
    ImageFormat.GIF: Codec(gif.read_header, gif.decode),
    ImageFormat.BMP: Codec(bmp.read_header, bmp.decode),
    ImageFormat.TIFF: Codec(tiff.read_header, tiff.decode),
    ImageFormat.HEIF: Codec(heif.read_heif_header, heif.decode_heif),
    ImageFormat.AVIF: Codec(heif.read_avif_header, heif.decode_avif),
}


def read_header(data: bytes) -> Header:
    """Read what a file claims about its first picture; nothing is known yet about the pixels.

    Raises:
        DecodingError: EMPTY, UNSUPPORTED_FORMAT if the signature or the kind of file is none that
            is decoded, CORRUPT if the header ends early or contradicts itself.
    """
    if not data:
        raise DecodingError(FailureCode.EMPTY, "the file is empty")
    image_format = sniff_format(data)
    if image_format is None:
        raise DecodingError(
            FailureCode.UNSUPPORTED_FORMAT,
            "not a JPEG, PNG, WebP, GIF, BMP, TIFF, HEIC or AVIF file",
        )
    try:
        header = _CODECS[image_format].read_header(data)
    except (struct.error, IndexError):
        raise corrupt(image_format, "the file ends inside its header") from None
    if header.height < 1 or header.width < 1:
        raise corrupt(image_format, f"its header claims {header.width} x {header.height} pixels")
    return header


def decode_stored(data: bytes, request: DecodeRequest) -> StoredPicture:
    """Decode the first picture of a file, as it is stored.

    Returns:
        The picture, at the header's size unless its codec can reduce it while decoding.

    Raises:
        DecodingError: CORRUPT if the file is damaged, cut off, or of another size than its header
            claims; UNSUPPORTED_FORMAT if it holds what is not read.
        UnknownRangeError: The picture cannot be brought to 8 bits.
        Exception: Whatever else a codec raises for a damaged file.
    """
    return _CODECS[request.header.format].decode(data, request)


def held_bytes(data: bytes, request: DecodeRequest) -> int:
    """How much memory decoding a file takes at most: a copy of it, and what its header claims."""
    header = request.header
    eighths = jpeg.dct_eighths(request) if header.format is ImageFormat.JPEG else 8
    pixels = header.height * header.width
    return (
        len(data)
        + pixels * (header.pixel_bytes * eighths * eighths + 64 * header.stored_bytes) // 64
    )
