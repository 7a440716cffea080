"""PNG files, animated ones included: of those the still picture that every reader shows.

Source: the PNG specification (third edition); ImageMagick's ``Raw profile type`` text chunks.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from io import BytesIO

import cv2
import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngImageFile

from beam_deeplab.transforms.decoding.colours import deep_over_white, rgb_over_white
from beam_deeplab.transforms.decoding.formats import (
    MOST_BLOCKS,
    DecodeRequest,
    Header,
    ImageFormat,
    StoredPicture,
    check_size,
    corrupt,
    cut_off,
    load_picture,
)
from beam_deeplab.transforms.decoding.orientation import EXIF_PREFIX, XMP_PREFIX, stored_orientation

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"

_PIXEL_CHUNKS = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND")
_TEXT_CHUNKS = (b"tEXt", b"zTXt", b"iTXt")
_XMP_KEYWORD = b"XML:com.adobe.xmp"
_PROFILE_KEYWORDS = (b"Raw profile type exif", b"Raw profile type APP1", b"Raw profile type xmp")
_LONGEST_TEXT = 1 << 20
_GREY = 0


def png_chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """The chunks of a PNG file, as far as the file reaches.

    Yields:
        Type, and where its content begins and ends; only chunks that are there in full, checksum
        included. ``IEND`` is the last one.

    Raises:
        DecodingError: CORRUPT if there are hundreds of thousands.
    """
    position = len(PNG_SIGNATURE)
    for _ in range(MOST_BLOCKS):
        if position + 12 > len(data):
            return
        (length,) = struct.unpack_from(">I", data, position)
        begin, end = position + 8, position + 8 + length
        if end + 4 > len(data):
            return
        kind = data[position + 4 : begin]
        yield kind, begin, end
        if kind == b"IEND":
            return
        position = end + 4
    raise corrupt(ImageFormat.PNG, f"it has more than {MOST_BLOCKS} chunks")


def read_header(data: bytes) -> Header:
    """Read what a PNG claims; see :func:`transforms.decoding.codecs.read_header`."""
    signature, kind, width, height = struct.unpack_from(">8s4x4sII", data)
    if signature != PNG_SIGNATURE or kind != b"IHDR":
        raise corrupt(ImageFormat.PNG, "it does not begin with an IHDR chunk")
    metadata: dict[str, bytes] = {}
    for kind, begin, end in png_chunks(data):
        if kind == b"eXIf":
            metadata.setdefault("exif", data[begin:end])
        elif kind in _TEXT_CHUNKS:
            for name, block in _metadata_in_text(kind, data, begin, end, metadata):
                metadata.setdefault(name, block)
    orientation = stored_orientation(
        metadata.get("exif") or metadata.get("profile exif"),
        metadata.get("xmp") or metadata.get("profile xmp"),
    )
    return Header(ImageFormat.PNG, height, width, orientation, pixel_bytes=10)


def _metadata_in_text(
    kind: bytes, data: bytes, begin: int, end: int, known: dict[str, bytes]
) -> Iterator[tuple[str, bytes]]:
    keyword = data[begin : min(end, begin + 80)].partition(b"\0")[0]
    if keyword == _XMP_KEYWORD and "xmp" not in known:
        yield "xmp", _text(kind, data, begin + len(keyword) + 1, end)
    # Each of these keywords is read once: a file may repeat it, and each may unpack to megabytes.
    elif keyword in _PROFILE_KEYWORDS and keyword.decode() not in known:
        yield keyword.decode(), b""
        block = _hexadecimal(_text(kind, data, begin + len(keyword) + 1, end))
        if block.startswith(XMP_PREFIX) or keyword.endswith(b"xmp"):
            yield "profile xmp", block
        elif block.startswith(EXIF_PREFIX) or keyword.endswith(b"exif"):
            yield "profile exif", block


def _text(kind: bytes, data: bytes, begin: int, end: int) -> bytes:
    """The text of a chunk behind its keyword, as far as a megabyte of it."""
    compressed = kind == b"zTXt"
    if kind == b"zTXt":
        begin += 1
    elif kind == b"iTXt":
        compressed = data[begin : begin + 1] == b"\x01"
        translated = data.find(b"\0", begin + 2) + 1  # the keyword, behind the language
        begin = data.find(b"\0", translated) + 1
    if not compressed:
        return data[begin : min(end, begin + _LONGEST_TEXT)]
    try:
        return zlib.decompressobj().decompress(data[begin:end], _LONGEST_TEXT)
    except zlib.error:
        return b""


def _hexadecimal(text: bytes) -> bytes:
    """The content of a raw profile: behind its name and its length, hexadecimal digits in lines."""
    digits = b"".join(text.split()[2:])
    try:
        return bytes.fromhex(digits[: len(digits) & ~1].decode("latin-1"))
    except ValueError:
        return b""


def decode(data: bytes, request: DecodeRequest) -> StoredPicture:
    """Decode a PNG; see :func:`transforms.decoding.codecs.decode_stored`."""
    bit_depth, colour_type = data[24], data[25]
    bits = request.options.sample_bits
    is_deep = bit_depth == 16 and bits < 16 and colour_type != _GREY
    still, is_whole = _still(data)
    if not is_whole and (is_deep or not request.keeps_truncated):
        raise cut_off(ImageFormat.PNG)
    if is_deep:
        return _decode_deep(still, request)
    image, truncated = load_picture(PngImageFile(BytesIO(still)), request.header, keep=not is_whole)
    _scale_transparency(image, bit_depth)
    return StoredPicture(rgb_over_white(image, bits=bits), truncated=truncated or not is_whole)


def _decode_deep(data: bytes, request: DecodeRequest) -> StoredPicture:
    # Pillow keeps the upper 8 bits of colours; libpng, through OpenCV, all of them.
    samples = cv2.imdecode(
        np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED | cv2.IMREAD_IGNORE_ORIENTATION
    )
    if samples is None or samples.dtype != np.uint16:
        raise corrupt(ImageFormat.PNG, "libpng cannot decode it")
    check_size(request.header, *samples.shape[:2])
    return StoredPicture(deep_over_white(samples, request.options.sample_bits))


def _still(data: bytes) -> tuple[bytes, bool]:
    """The still picture as a file of its own, and whether it is there to its end.

    Only what the pixels need is kept: no text or profile that unpacks to gigabytes.
    """
    kept: list[bytes | memoryview] = [PNG_SIGNATURE]
    view = memoryview(data)
    kinds, position = set(), len(PNG_SIGNATURE)
    for kind, begin, end in png_chunks(data):
        kinds.add(kind)
        position = end + 4
        if kind not in _PIXEL_CHUNKS:
            continue
        (checksum,) = struct.unpack_from(">I", data, end)
        if zlib.crc32(view[begin - 4 : end]) != checksum:
            raise corrupt(ImageFormat.PNG, f"the checksum of a chunk {kind.decode()} is wrong")
        kept.append(view[begin - 8 : position])
    if b"IEND" in kinds:
        return b"".join(kept), True
    if data[position + 4 : position + 8] == b"IDAT":
        kinds.add(b"IDAT")
        kept.append(_chunk(b"IDAT", data[position + 8 :]))
    if b"IDAT" not in kinds:
        raise cut_off(ImageFormat.PNG)
    return b"".join((*kept, _chunk(b"IEND", b""))), False


def _chunk(kind: bytes, content: bytes) -> bytes:
    checksum = zlib.crc32(kind + content)
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)


def _scale_transparency(image: Image.Image, bit_depth: int) -> None:
    """Bring the transparent colour to the scale that Pillow gives the samples."""
    transparent = image.info.get("transparency")
    if image.mode == "L" and bit_depth in (2, 4) and isinstance(transparent, int):
        image.info["transparency"] = transparent * 255 // ((1 << bit_depth) - 1)
    elif image.mode == "RGB" and bit_depth == 16 and isinstance(transparent, tuple):
        image.info["transparency"] = tuple(sample >> 8 for sample in transparent)
