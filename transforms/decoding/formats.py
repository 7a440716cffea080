"""What an image file says about itself before any of its pixels is decoded.

Sizes are read here and not by the decoding libraries, because some of those allocate the canvas
that a header claims or judge it by a process-wide limit before their caller can look.

Sources: ITU-T T.81 annex B (JPEG), the BITMAPINFOHEADER family (BMP), Exif 2.32; the others in
:mod:`transforms.decoding.containers`.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import StrEnum

from beam_deeplab.transforms.decoding.containers import (
    PNG_SIGNATURE,
    first_gif_frame,
    png_chunks,
    read_uint24,
    riff_chunks,
    tiff_integers,
    webp_frame_size,
)
from beam_deeplab.transforms.records import FailureCode

DEFAULT_MAX_PIXELS = 250_000_000
"""Pixels that a header may claim: those of cameras with 200 megapixels pass, and the 3 to 8 bytes a
pixel that formats without reduced scales need stay within 2 GB."""

MAX_SIDE = 1 << 20
"""Rows or columns that a header may claim; codecs and resampling need memory by the side, too."""

EXIF_PREFIX = b"Exif\0\0"

_BMP_HEADER_SIZES = frozenset(
    struct.pack("<I", size) for size in (12, 16, 40, 52, 56, 64, 108, 124)
)
_BMP_CORE_HEADER_SIZE = 12

_SEQUENTIAL_AND_PROGRESSIVE_SOF = frozenset({0xC0, 0xC1, 0xC2, 0xC9, 0xCA})
_SOF = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_SOI, _EOI, _SOS, _APP1 = 0xD8, 0xD9, 0xDA, 0xE1
_MARKERS_WITHOUT_LENGTH = frozenset({0x01, *range(0xD0, 0xD9)})

_WIDTH_TAG, _HEIGHT_TAG, _ORIENTATION_TAG = 256, 257, 274
_TILE_WIDTH_TAG, _TILE_HEIGHT_TAG = 322, 323


class DecodingError(Exception):
    """A file from which no picture can be had.

    Attributes:
        code: EMPTY, UNSUPPORTED_FORMAT, CORRUPT or TOO_LARGE.
        message: One short line for people, without the file's name.
    """

    def __init__(self, code: FailureCode, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class ImageFormat(StrEnum):
    """The formats that are decoded."""

    JPEG = "JPEG"
    PNG = "PNG"
    WEBP = "WebP"
    GIF = "GIF"
    BMP = "BMP"
    TIFF = "TIFF"


_SIGNATURES = {
    b"\xff\xd8": ImageFormat.JPEG,
    PNG_SIGNATURE[:4]: ImageFormat.PNG,
    b"RIFF": ImageFormat.WEBP,
    b"GIF87a": ImageFormat.GIF,
    b"GIF89a": ImageFormat.GIF,
    b"BM": ImageFormat.BMP,
    b"II*\0": ImageFormat.TIFF,
    b"MM\0*": ImageFormat.TIFF,
    b"II+\0": ImageFormat.TIFF,
    b"MM\0+": ImageFormat.TIFF,
}


@dataclass(frozen=True, slots=True)
class Header:
    """A file's claims about its first picture.

    Attributes:
        format: The file's format, from its signature.
        height: Rows as stored, before the orientation is applied; at least 1.
        width: Columns as stored; at least 1.
        orientation: The Exif orientation, 1 to 8; 1 if there is none or it cannot be read.
        tile_pixels: Pixels of one tile of a tiled TIFF, which its decoder allocates at once.
    """

    format: ImageFormat
    height: int
    width: int
    orientation: int = 1
    tile_pixels: int = 0

    @property
    def upright_size(self) -> tuple[int, int]:
        """Height and width after the orientation is applied."""
        return (self.width, self.height) if self.orientation >= 5 else (self.height, self.width)


def read_header(data: bytes) -> Header:
    """Read what a file claims about its first picture.

    Args:
        data: The file's content; as far as its header reaches will do.

    Returns:
        The claims; nothing is known yet about the pixels.

    Raises:
        DecodingError: EMPTY, UNSUPPORTED_FORMAT if the signature or the kind of JPEG is none that
            is decoded, CORRUPT if the header ends early or contradicts itself.
    """
    if not data:
        raise DecodingError(FailureCode.EMPTY, "the file is empty")
    image_format = sniff_format(data)
    if image_format is None:
        raise DecodingError(
            FailureCode.UNSUPPORTED_FORMAT, "not a JPEG, PNG, WebP, GIF, BMP or TIFF file"
        )
    try:
        header = _READERS[image_format](data)
    except (struct.error, IndexError):
        raise corrupt(image_format, "the file ends inside its header") from None
    if header.height < 1 or header.width < 1:
        raise corrupt(image_format, f"its header claims {header.width} x {header.height} pixels")
    return header


def sniff_format(data: bytes) -> ImageFormat | None:
    """The format that a file's first bytes show, or None if it is none of ours."""
    image_format = next(
        (known for signature, known in _SIGNATURES.items() if data.startswith(signature)), None
    )
    if image_format is ImageFormat.WEBP and data[8:12] != b"WEBP":
        return None
    # Two letters are little to go by: a text may begin with them.
    if image_format is ImageFormat.BMP and data[14:18] not in _BMP_HEADER_SIZES:
        return None
    return image_format


def refuse_too_large(header: Header, max_pixels: int) -> None:
    """Refuse a picture by what its header claims.

    Args:
        header: The claims.
        max_pixels: Pixels that a header may claim; a side may have :data:`MAX_SIDE` at most.

    Raises:
        DecodingError: TOO_LARGE.
    """
    claim = f"{header.format}: its header claims {header.width} x {header.height} pixels"
    if header.height * header.width > max_pixels:
        raise DecodingError(FailureCode.TOO_LARGE, f"{claim}, more than {max_pixels} in all")
    if max(header.height, header.width) > MAX_SIDE:
        raise DecodingError(FailureCode.TOO_LARGE, f"{claim}, more than {MAX_SIDE} a side")
    if header.tile_pixels > max_pixels:
        raise DecodingError(
            FailureCode.TOO_LARGE,
            f"{header.format}: its header claims tiles of {header.tile_pixels} pixels,"
            f" more than {max_pixels}",
        )


def check_size(
    header: Header, height: int, width: int, expected: tuple[int, int] | None = None
) -> None:
    """Hold the size that a codec sees against the one that was checked.

    Args:
        header: What the file claims.
        height: Rows that the codec sees.
        width: Columns that it sees.
        expected: What they should be, if not the stored height and width.

    Raises:
        DecodingError: CORRUPT if they differ.
    """
    if (height, width) != (expected or (header.height, header.width)):
        raise corrupt(header.format, "its headers disagree about its size")


def corrupt(image_format: ImageFormat, reason: str) -> DecodingError:
    """The error of a file that is damaged or incomplete."""
    return DecodingError(FailureCode.CORRUPT, f"{image_format}: {reason}")


def exif_orientation(exif: bytes) -> int:
    """The orientation in an Exif block.

    Args:
        exif: A TIFF structure, with or without the prefix that it has in JPEG files.

    Returns:
        1 to 8; 1 if there is none or it cannot be read, since the pixels are whole all the same.
    """
    try:
        return _valid_orientation(tiff_integers(exif.removeprefix(EXIF_PREFIX)))
    except (struct.error, IndexError):
        return 1


def _valid_orientation(tags: dict[int, int]) -> int:
    orientation = tags.get(_ORIENTATION_TAG, 1)
    return orientation if 1 <= orientation <= 8 else 1


def _read_jpeg(data: bytes) -> Header:
    size: tuple[int, int] | None = None
    orientation = 1
    position = 2
    while position + 4 <= len(data) and data[position] == 0xFF:
        marker = data[position + 1]
        if marker == 0xFF or marker in _MARKERS_WITHOUT_LENGTH:
            position += 1 if marker == 0xFF else 2
            continue
        (length,) = struct.unpack_from(">H", data, position + 2)
        if marker in (_SOS, _EOI) or length < 2:
            break
        if marker in _SOF and size is None:
            precision, height, width = struct.unpack_from(">BHH", data, position + 4)
            if precision != 8 or marker not in _SEQUENTIAL_AND_PROGRESSIVE_SOF:
                raise DecodingError(
                    FailureCode.UNSUPPORTED_FORMAT,
                    f"JPEG: {precision} bits a sample, process SOF{marker - 0xC0}:"
                    " only baseline, sequential and progressive files of 8 bits are read",
                )
            size = height, width
        elif marker == _APP1 and data.startswith(EXIF_PREFIX, position + 4):
            orientation = exif_orientation(data[position + 4 : position + 2 + length])
        position += 2 + length
    if size is None:
        raise corrupt(ImageFormat.JPEG, "there is no frame header before the first scan")
    return Header(ImageFormat.JPEG, *size, orientation)


def _read_png(data: bytes) -> Header:
    signature, kind, width, height = struct.unpack_from(">8s4x4sII", data)
    if signature != PNG_SIGNATURE or kind != b"IHDR":
        raise corrupt(ImageFormat.PNG, "it does not begin with an IHDR chunk")
    orientation = 1
    for kind, begin, end in png_chunks(data):
        if kind == b"eXIf":
            orientation = exif_orientation(data[begin:end])
    return Header(ImageFormat.PNG, height, width, orientation)


def _read_webp(data: bytes) -> Header:
    (riff_size,) = struct.unpack_from("<I", data, 4)
    kind = data[12:16]
    if kind == b"VP8X":
        width, height = read_uint24(data, 24) + 1, read_uint24(data, 27) + 1
    elif kind in (b"VP8 ", b"VP8L"):
        height, width = webp_frame_size(data, kind, 20)
    else:
        raise corrupt(ImageFormat.WEBP, "its first chunk holds no picture")
    orientation = 1
    for kind, begin, end in riff_chunks(data, 12, min(len(data), riff_size + 8)):
        if kind == b"EXIF":
            orientation = exif_orientation(data[begin:end])
    return Header(ImageFormat.WEBP, height, width, orientation)


def _read_gif(data: bytes) -> Header:
    width, height = struct.unpack_from("<HH", data, 6)
    frame = first_gif_frame(data)
    if frame is not None:
        # Frames larger than the screen occur; the picture then has the size of both together.
        height = max(height, frame.top + frame.height)
        width = max(width, frame.left + frame.width)
    return Header(ImageFormat.GIF, height, width)


def _read_bmp(data: bytes) -> Header:
    (header_size,) = struct.unpack_from("<I", data, 14)
    sides = "<HH" if header_size == _BMP_CORE_HEADER_SIZE else "<ii"
    width, height = struct.unpack_from(sides, data, 18)
    return Header(ImageFormat.BMP, abs(height), width)


def _read_tiff(data: bytes) -> Header:
    tags = tiff_integers(data)
    if _WIDTH_TAG not in tags or _HEIGHT_TAG not in tags:
        raise corrupt(ImageFormat.TIFF, "its first directory gives no size")
    return Header(
        ImageFormat.TIFF,
        tags[_HEIGHT_TAG],
        tags[_WIDTH_TAG],
        _valid_orientation(tags),
        tags.get(_TILE_WIDTH_TAG, 0) * tags.get(_TILE_HEIGHT_TAG, 0),
    )


_READERS = {
    ImageFormat.JPEG: _read_jpeg,
    ImageFormat.PNG: _read_png,
    ImageFormat.WEBP: _read_webp,
    ImageFormat.GIF: _read_gif,
    ImageFormat.BMP: _read_bmp,
    ImageFormat.TIFF: _read_tiff,
}
