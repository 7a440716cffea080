"""What an image file says about itself before any of its pixels is decoded.

Sizes are read here and not by the decoding libraries where those allocate the canvas that a header
claims, or judge it by a process-wide limit, before their caller can look.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray
from PIL import ImageFile

from beam_deeplab.transforms.decoding.options import DecodeOptions
from beam_deeplab.transforms.records import FailureCode

MAX_SIDE = 1 << 20
"""Rows or columns that a header may claim; codecs and resampling need memory by the side, too."""

MOST_BLOCKS = 200_000
"""Chunks, segments or sub-blocks of a file that are walked, one Python step each: a tenth of a
second, and more than a file of the most pixels has."""

_BMP_HEADER_SIZES = frozenset(
    struct.pack("<I", size) for size in (12, 16, 40, 52, 56, 64, 108, 124)
)
_AVIF_BRANDS = frozenset((b"avif", b"avis"))
_HEIF_BRANDS = frozenset(
    (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1")
)


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
    HEIF = "HEIF"
    AVIF = "AVIF"


_SIGNATURES = {
    b"\xff\xd8": ImageFormat.JPEG,
    b"\x89PNG": ImageFormat.PNG,
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
        orientation: 1 to 8, as Exif numbers them; 1 if there is none or it cannot be read.
        pixel_bytes: Bytes that decoding holds at its peak for each pixel that comes out.
        stored_bytes: Bytes that it holds besides for each stored pixel, also if fewer come out.
        tile_pixels: Pixels of one tile of a tiled TIFF, which its decoder allocates at once.
    """

    format: ImageFormat
    height: int
    width: int
    orientation: int = 1
    pixel_bytes: int = 8
    stored_bytes: int = 0
    tile_pixels: int = 0

    @property
    def upright_size(self) -> tuple[int, int]:
        """Height and width after the orientation is applied."""
        return (self.width, self.height) if self.orientation >= 5 else (self.height, self.width)


@dataclass(frozen=True, slots=True)
class StoredPicture:
    """A picture as it lies in its file, perhaps at a scale that need not divide its sides.

    Attributes:
        pixels: uint8 RGB of shape [rows, columns, 3].
        rows: How many of the rows the picture covers, the last one perhaps in part; None for all.
        columns: The same for the columns.
        truncated: Whether the file was cut short, and the rest of the pixels is made up.
    """

    pixels: NDArray[np.uint8]
    rows: float | None = None
    columns: float | None = None
    truncated: bool = False


@dataclass(frozen=True, slots=True)
class DecodeRequest:
    """What is wanted of a file besides its bytes.

    Attributes:
        header: What the file claims, its size already checked.
        options: How to decode it.
        height: Stored rows that are needed, at most the header's.
        width: Stored columns that are needed.
    """

    header: Header
    options: DecodeOptions
    height: int
    width: int

    @property
    def keeps_truncated(self) -> bool:
        """Whether to keep what is there of a file that is cut short."""
        return self.options.truncated == "keep"


def sniff_format(data: bytes) -> ImageFormat | None:
    """The format that a file's first bytes show, or None if it is none of ours."""
    if data[4:8] == b"ftyp":
        brands = _brands(data)
        if brands & _AVIF_BRANDS:
            return ImageFormat.AVIF
        return ImageFormat.HEIF if brands & _HEIF_BRANDS else None
    image_format = next(
        (known for signature, known in _SIGNATURES.items() if data.startswith(signature)), None
    )
    if image_format is ImageFormat.WEBP and data[8:12] != b"WEBP":
        return None
    # Two letters are little to go by: a text may begin with them.
    if image_format is ImageFormat.BMP and data[14:18] not in _BMP_HEADER_SIZES:
        return None
    return image_format


def _brands(data: bytes) -> set[bytes]:
    """The major and the compatible brands of an ISO base media file."""
    end = min(int.from_bytes(data[:4], "big"), len(data), 256)
    return {data[8:12], *(data[begin : begin + 4] for begin in range(16, end, 4))}


def refuse_too_large(header: Header, max_pixels: int) -> None:
    """Refuse a picture by what its header claims.

    Raises:
        DecodingError: TOO_LARGE: more pixels than ``max_pixels``, in all or in a tile, or a side of
            more than :data:`MAX_SIDE`.
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


def check_size(header: Header, height: int, width: int) -> None:
    """Refuses, as CORRUPT, a file that shows a codec another size than the one that was checked."""
    if (height, width) != (header.height, header.width):
        raise corrupt(header.format, "its headers disagree about its size")


def corrupt(image_format: ImageFormat, reason: str) -> DecodingError:
    """The error of a file that is damaged or incomplete."""
    return DecodingError(FailureCode.CORRUPT, f"{image_format}: {reason}")


def cut_off(image_format: ImageFormat) -> DecodingError:
    """The error of a file whose end is missing."""
    return corrupt(image_format, "the file is cut off")


def unsupported(image_format: ImageFormat, reason: str) -> DecodingError:
    """The error of a file that may be sound, but holds what is not decoded."""
    return DecodingError(FailureCode.UNSUPPORTED_FORMAT, f"{image_format}: {reason}")


def load_picture(
    image: ImageFile.ImageFile, header: Header, *, keep: bool = False
) -> tuple[ImageFile.ImageFile, bool]:
    """Let Pillow decode a picture, if it sees the size that was checked.

    Returns:
        The image, its pixels loaded, and whether some are missing: with ``keep`` what is there of
        a file that is cut short is kept.

    Raises:
        DecodingError: CORRUPT if the sizes differ.
        Exception: Whatever Pillow raises for a damaged file.
    """
    check_size(header, image.height, image.width)
    try:
        image.load()
    except OSError as error:
        if not keep or "truncated" not in str(error):
            raise
        image.tile = []  # what Pillow has decoded stays; it asks for no more
        image.load()
        return image, True
    return image, False
