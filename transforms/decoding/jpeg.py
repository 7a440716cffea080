"""JPEG files as RGB pixels, from a reduced DCT scale where that is enough.

libjpeg-turbo is reached through simplejpeg: it lets other threads run, and unlike Pillow and OpenCV
it tells the warnings by which libjpeg reports damaged data.
"""

from __future__ import annotations

from io import BytesIO

import numpy as np
import simplejpeg
from numpy.typing import NDArray
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile

from beam_deeplab.transforms.decoding.colours import rgb_over_white
from beam_deeplab.transforms.decoding.formats import (
    DecodeRequest,
    ImageFormat,
    StoredPicture,
    check_size,
    corrupt,
    cut_off,
    load_picture,
)
from beam_deeplab.transforms.decoding.jpeg_noise import has_only_noise
from beam_deeplab.transforms.decoding.jpeg_structure import (
    EOI,
    Structure,
    count_scans,
    read_structure,
    segments,
    without_strays,
)

# The powers of two have fast transforms in libjpeg-turbo; 3/8 and 5/8 to 7/8 take as long as the
# next larger one and come out less like the full picture.
_REDUCED_EIGHTHS = (1, 2, 4)
# Of smaller pictures, two scales can have the same size.
_SMALLEST_REDUCED_SIDE = 16
_MOST_SCANS = 500
# Each scan passes over the whole picture, however few bytes it has. Of the most pixels that are
# decoded by default, that leaves room for the ten scans that encoders write.
_MOST_PASSES = 3_000_000_000
# What libjpeg-turbo's TurboJPEG interface refuses, or simplejpeg takes for damage, in whole files.
_LEFT_TO_PILLOW = (
    "subsampling level",
    "Invalid SOS parameters for sequential JPEG",
    "Unknown Adobe color transform code",
    "unknown JFIF revision number",
)
_STRAY_BYTES = "extraneous bytes before marker"
_MISSING_BYTES = "premature end of"


def decode(data: bytes, request: DecodeRequest) -> StoredPicture:
    """Decode a JPEG, at a reduced scale if it is large.

    Returns:
        The picture at the smallest scale of 1/8, 1/4, 1/2 and 1 that covers what is needed. At
        scale 1 it is what Pillow decodes, bit for bit.

    Raises:
        DecodingError: CORRUPT if it has another size than its header claims, or too many scans.
        ValueError: libjpeg warns of damaged data, or cannot decode it.
        Exception: Whatever Pillow raises for a damaged file, if it takes Pillow to decode it.
    """
    structure = read_structure(data)
    _refuse_many_scans(data, structure)
    try:
        return _decode_scaled(data, request)
    except ValueError as error:
        warning = str(error)
    if _STRAY_BYTES in warning or any(reason in warning for reason in _LEFT_TO_PILLOW):
        data = without_strays(data, structure)
        structure = read_structure(data)
        try:
            return _decode_scaled(data, request)
        except ValueError as error:
            warning = str(error)
    if any(reason in warning for reason in _LEFT_TO_PILLOW):
        image, _ = load_picture(JpegImageFile(BytesIO(data)), request.header)
        return StoredPicture(rgb_over_white(image))
    if _STRAY_BYTES in warning and has_only_noise(data, structure):
        return _decode_scaled(data, request, strict=False)
    if _MISSING_BYTES in warning.lower() and (whole := _with_end(data, structure)):
        if not request.keeps_truncated:
            raise cut_off(ImageFormat.JPEG)
        return _decode_cut(whole, request)
    raise ValueError(warning)


def dct_eighths(request: DecodeRequest) -> int:
    """The eighths of its sides at which a picture is decoded, to cover what is needed."""
    header = request.header
    if max(header.height, header.width) < _SMALLEST_REDUCED_SIDE:
        return 8
    return next(
        (
            eighths
            for eighths in _REDUCED_EIGHTHS
            if header.height * eighths >= 8 * request.height
            and header.width * eighths >= 8 * request.width
        ),
        8,
    )


def _decode_scaled(data: bytes, request: DecodeRequest, *, strict: bool = True) -> StoredPicture:
    height, width, colourspace, _ = simplejpeg.decode_jpeg_header(data, strict=False)
    check_size(request.header, height, width)
    eighths = dct_eighths(request)
    scaled_height, scaled_width = _ceil_eighths(height, eighths), _ceil_eighths(width, eighths)
    is_cmyk = colourspace in ("CMYK", "YCCK")
    pixels: NDArray[np.uint8] = simplejpeg.decode_jpeg(
        data,
        "CMYK" if is_cmyk else "RGB",
        min_height=scaled_height,
        min_width=scaled_width,
        strict=strict,
    )
    if pixels.shape[:2] != (scaled_height, scaled_width):
        raise ValueError(f"decoded to {pixels.shape[:2]}, not {(scaled_height, scaled_width)}")
    if is_cmyk:
        # Stored inverted, as Adobe does and Pillow assumes.
        np.invert(pixels, out=pixels)
        pixels = rgb_over_white(Image.frombuffer("CMYK", (scaled_width, scaled_height), pixels))
    return StoredPicture(pixels, height * eighths / 8, width * eighths / 8)


def _decode_cut(data: bytes, request: DecodeRequest) -> StoredPicture:
    """What is there of a file that was cut short, with an end put behind it."""
    try:
        picture = _decode_scaled(data, request)
    except ValueError as error:
        if _MISSING_BYTES not in str(error).lower():
            raise
        picture = _decode_scaled(data, request, strict=False)
    return StoredPicture(picture.pixels, picture.rows, picture.columns, truncated=True)


def _with_end(data: bytes, structure: Structure) -> bytes | None:
    """A file that was cut short, as far as its scans go, with an end; None if it has one."""
    position = structure.scan.end
    for segment in segments(data, position, in_scan=True):
        if segment.marker == EOI:
            return None
        position = segment.end
    # A segment that is not there in full, and zeros where the bytes should be, are no scan.
    end = data.find(b"\xff\xc4", position)
    coded = data[: end if end >= 0 else len(data)].rstrip(b"\0")
    return coded + b"\xff\xd9"


def _refuse_many_scans(data: bytes, structure: Structure) -> None:
    frame = structure.frame
    most = min(_MOST_SCANS, _MOST_PASSES // max(1, frame.height * frame.width))
    # Few bytes that look like a scan's marker are few scans; else they are counted properly.
    if data.count(b"\xff\xda", structure.scan.end) < most:
        return
    scans = count_scans(data, structure)
    if scans > max(1, most):
        raise corrupt(
            ImageFormat.JPEG,
            f"{scans} scans of {frame.width} x {frame.height} pixels take too long",
        )


def _ceil_eighths(side: int, eighths: int) -> int:
    return -(-side * eighths // 8)
