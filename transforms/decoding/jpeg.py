"""JPEG files as RGB pixels, from a reduced DCT scale where that is enough.

libjpeg-turbo is reached through simplejpeg: it lets other threads run, and unlike Pillow and OpenCV
it tells the warnings by which libjpeg reports damaged data.
"""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np
import simplejpeg
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile

from beam_deeplab.transforms.decoding.codecs import load_picture
from beam_deeplab.transforms.decoding.colours import rgb_over_white
from beam_deeplab.transforms.decoding.formats import Header, ImageFormat, check_size, corrupt

if TYPE_CHECKING:
    from numpy.typing import NDArray

# The powers of two have fast transforms in libjpeg-turbo; 3/8 and 5/8 to 7/8 take as long as the
# next larger one and come out less like the full picture.
_REDUCED_EIGHTHS = (1, 2, 4)
# Of smaller pictures, two scales can have the same size.
_SMALLEST_REDUCED_SIDE = 16
_MOST_SCANS = 500
# What libjpeg-turbo's TurboJPEG interface refuses, or simplejpeg takes for damage, in whole files.
_LEFT_TO_PILLOW = (
    "subsampling level",
    "Invalid SOS parameters for sequential JPEG",
    "Unknown Adobe color transform code",
    "unknown JFIF revision number",
)


@dataclass(frozen=True, slots=True)
class ScaledPicture:
    """A picture decoded at a scale that need not divide its sides.

    Attributes:
        pixels: uint8 RGB of shape [rows, columns, 3].
        rows: How many of the rows the picture covers; the last one may be covered in part.
        columns: The same for the columns.
    """

    pixels: NDArray[np.uint8]
    rows: float
    columns: float


def decode_jpeg(data: bytes, header: Header, least_height: int, least_width: int) -> ScaledPicture:
    """Decode a JPEG, at a reduced scale if it is large.

    Args:
        data: The file's content.
        header: What it claims, its size already checked.
        least_height: Rows that are needed, at most ``header.height``.
        least_width: Columns that are needed, at most ``header.width``.

    Returns:
        The picture at the smallest scale of 1/8, 1/4, 1/2 and 1 that covers what is needed. At
        scale 1 it is what Pillow decodes, bit for bit.

    Raises:
        DecodingError: CORRUPT if it has another size than its header claims, or hundreds of scans.
        ValueError: libjpeg warns of damaged data, or cannot decode it.
        Exception: Whatever Pillow raises for a damaged file, if it takes Pillow to decode it.
    """
    _refuse_many_scans(data)
    try:
        return _decode_scaled(data, header, least_height, least_width)
    except ValueError as error:
        if not any(reason in str(error) for reason in _LEFT_TO_PILLOW):
            raise
    pixels = rgb_over_white(load_picture(JpegImageFile(BytesIO(data)), header))
    return ScaledPicture(pixels, header.height, header.width)


def _decode_scaled(
    data: bytes, header: Header, least_height: int, least_width: int
) -> ScaledPicture:
    height, width, colourspace, _ = simplejpeg.decode_jpeg_header(data, strict=False)
    check_size(header, height, width)
    eighths = _dct_eighths(header, least_height, least_width)
    scaled_height, scaled_width = _ceil_eighths(height, eighths), _ceil_eighths(width, eighths)
    is_cmyk = colourspace in ("CMYK", "YCCK")
    pixels: NDArray[np.uint8] = simplejpeg.decode_jpeg(
        data, "CMYK" if is_cmyk else "RGB", min_height=scaled_height, min_width=scaled_width
    )
    if pixels.shape[:2] != (scaled_height, scaled_width):
        raise ValueError(f"decoded to {pixels.shape[:2]}, not {(scaled_height, scaled_width)}")
    if is_cmyk:
        # Stored inverted, as Adobe does and Pillow assumes.
        np.invert(pixels, out=pixels)
        pixels = rgb_over_white(Image.frombuffer("CMYK", (scaled_width, scaled_height), pixels))
    return ScaledPicture(pixels, height * eighths / 8, width * eighths / 8)


def _refuse_many_scans(data: bytes) -> None:
    # Each scan of a progressive file passes over the whole picture, however few bytes it has.
    first = data.find(b"\xff\xda")
    if data.count(b"\xff\xda", first, data.find(b"\xff\xd9", first)) > _MOST_SCANS:
        raise corrupt(ImageFormat.JPEG, f"it has more than {_MOST_SCANS} scans")


def _dct_eighths(header: Header, least_height: int, least_width: int) -> int:
    if max(header.height, header.width) < _SMALLEST_REDUCED_SIDE:
        return 8
    return next(
        (
            eighths
            for eighths in _REDUCED_EIGHTHS
            if header.height * eighths >= 8 * least_height
            and header.width * eighths >= 8 * least_width
        ),
        8,
    )


def _ceil_eighths(side: int, eighths: int) -> int:
    return -(-side * eighths // 8)
