"""A file's bytes as an upright RGB picture that fits the network's canvas."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from beam_deeplab.transforms.decoding.budget import decoding_budget
from beam_deeplab.transforms.decoding.codecs import decode_stored, held_bytes, read_header
from beam_deeplab.transforms.decoding.colours import UnknownRangeError
from beam_deeplab.transforms.decoding.formats import (
    DecodeRequest,
    DecodingError,
    ImageFormat,
    corrupt,
    refuse_too_large,
    sniff_format,
    unsupported,
)
from beam_deeplab.transforms.decoding.options import DecodeOptions
from beam_deeplab.transforms.decoding.resizing import reduce_by_area, turn_upright
from beam_deeplab.transforms.geometry import Canvas, fit_size
from beam_deeplab.transforms.records import (
    DecodedImage,
    EncodedImage,
    Failure,
    FailureCode,
    Original,
    Stage,
)

__all__ = ["DecodeOptions", "DecodingError", "Picture", "decode", "decode_image"]

_BY_DEFAULT = DecodeOptions()
_LONGEST_REASON = 120
# In the words of libjpeg, OpenCV, libheif and libavif.
_NO_MEMORY = re.compile(
    "Insufficient memory|Failed to allocate|Memory allocation error: Unspecified|Out of memory"
)
_UNSUPPORTED_KINDS = ("unknown pixel mode", "unknown data organization", "Unsupported BMP")


@dataclass(frozen=True, slots=True)
class Picture:
    """An upright picture, reduced to fit a canvas: uint8 RGB [content height, content width, 3]."""

    pixels: NDArray[np.uint8]
    original: Original


def decode(data: bytes, canvas: Canvas, options: DecodeOptions = _BY_DEFAULT) -> Picture:
    """Decode the first picture of a file of any format that is read (:class:`ImageFormat`).

    The result is upright (orientation from Exif, XMP or the format's own boxes), RGB and has 8 bits
    a sample; for grey, CMYK, palette, 16-bit and transparent ones see
    :func:`transforms.decoding.colours.rgb_over_white`. Colour profiles are not applied. A picture
    larger than the canvas is reduced by area
    (:func:`transforms.decoding.resizing.reduce_by_area`), a large JPEG from a reduced DCT scale;
    one that fits comes out as Pillow decodes it, bit for bit.

    A JPEG is taken to be damaged where libjpeg lost something of it; stray bytes that no decoder
    shows are none (:mod:`transforms.decoding.jpeg_noise`). Damage that happens to leave a valid
    Huffman stream of the right length, as a single flipped bit mostly does, nothing can see.

    What the header claims bounds the memory, which all threads of the process share
    (:mod:`transforms.decoding.budget`), and the time: about 10 seconds of one CPU at the default
    ``max_pixels``, whatever the bytes, and what their number takes: a second for each MB of HEIC or
    AVIF, for each 20 MB of other formats.

    Raises:
        DecodingError: The file is EMPTY, of an UNSUPPORTED_FORMAT, CORRUPT or TOO_LARGE. Nothing
            else is raised, whatever the bytes.
    """
    image_format = sniff_format(data)
    try:
        return _decode(data, canvas, options)
    except DecodingError:
        raise
    except UnknownRangeError as error:
        raise DecodingError(FailureCode.UNSUPPORTED_FORMAT, f"{image_format}: {error}") from None
    except Exception as error:  # codecs raise whatever a damaged file makes them trip over
        raise _from_codec(image_format, error) from error


def decode_image(
    encoded: EncodedImage, canvas: Canvas, options: DecodeOptions = _BY_DEFAULT
) -> DecodedImage | Failure:
    """Decode one image of the pipeline; nothing is raised, whatever the bytes."""
    try:
        picture = decode(encoded.data, canvas, options)
    except DecodingError as error:
        return Failure(encoded.ref, Stage.DECODE, error.code, error.message, encoded.slot)
    return DecodedImage(encoded.ref, picture.pixels, picture.original, encoded.slot)


def _decode(data: bytes, canvas: Canvas, options: DecodeOptions) -> Picture:
    header = read_header(data)
    refuse_too_large(header, options.max_pixels)
    height, width = header.upright_size
    content = fit_size(height, width, canvas)
    stored_content = content[::-1] if header.orientation >= 5 else content
    request = DecodeRequest(header, options, *stored_content)
    with decoding_budget().hold(held_bytes(data, request)):
        stored = decode_stored(data, request)
        reduced = reduce_by_area(stored.pixels, *stored_content, stored.rows, stored.columns)
        pixels = turn_upright(reduced, header.orientation)
    scale = min(1.0, canvas.height / height, canvas.width / width)
    return Picture(pixels, Original(height, width, header.orientation, scale, stored.truncated))


def _from_codec(image_format: ImageFormat | None, error: Exception) -> DecodingError:
    assert image_format is not None
    if isinstance(error, MemoryError) or _NO_MEMORY.search(str(error)):
        message = f"{image_format}: there is not enough memory to decode it"
        return DecodingError(FailureCode.TOO_LARGE, message)
    reason = next(iter(str(error).splitlines()), "").strip()[:_LONGEST_REASON]
    if reason.startswith(_UNSUPPORTED_KINDS):
        return unsupported(image_format, reason)
    return corrupt(image_format, reason or type(error).__name__)
