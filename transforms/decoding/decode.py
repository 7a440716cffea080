"""A file's bytes as an upright RGB picture that fits the network's canvas."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from beam_deeplab.transforms.decoding.codecs import decode_whole
from beam_deeplab.transforms.decoding.colours import UnknownRangeError
from beam_deeplab.transforms.decoding.formats import (
    DEFAULT_MAX_PIXELS,
    DecodingError,
    Header,
    ImageFormat,
    corrupt,
    read_header,
    refuse_too_large,
)
from beam_deeplab.transforms.decoding.jpeg import decode_jpeg
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

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["DEFAULT_MAX_PIXELS", "DecodingError", "Picture", "decode", "decode_image"]

_LONGEST_REASON = 120
_UNSUPPORTED_KINDS = ("unknown pixel mode", "unknown data organization", "Unsupported BMP")


@dataclass(frozen=True, slots=True)
class Picture:
    """An upright picture, reduced to fit a canvas.

    Attributes:
        pixels: uint8 RGB of shape [content height, content width, 3].
        original: The picture as the file holds it.
    """

    pixels: NDArray[np.uint8]
    original: Original


def decode(data: bytes, canvas: Canvas, max_pixels: int = DEFAULT_MAX_PIXELS) -> Picture:
    """Decode the first picture of a JPEG, PNG, WebP, BMP, GIF or TIFF file.

    The result is upright (Exif orientation), RGB and has 8 bits a sample; for grey, CMYK, palette,
    16-bit and transparent ones see :func:`transforms.decoding.colours.rgb_over_white`. Colour
    profiles are not applied. A picture larger than the canvas is reduced by area
    (:func:`transforms.decoding.resizing.reduce_by_area`), a large JPEG from a reduced DCT scale;
    one that fits comes out as Pillow decodes it, bit for bit.

    A JPEG is taken to be damaged where libjpeg warns of it. Damage that happens to leave a valid
    Huffman stream of the right length, as a single flipped bit mostly does, nothing can see.

    Args:
        data: The file's content.
        canvas: What the picture must fit into.
        max_pixels: Pixels that the header may claim.

    Returns:
        The picture.

    Raises:
        DecodingError: The file is EMPTY, of an UNSUPPORTED_FORMAT, CORRUPT or TOO_LARGE. Nothing
            else is raised, whatever the bytes.
    """
    header = read_header(data)
    refuse_too_large(header, max_pixels)
    height, width = header.upright_size
    try:
        pixels = _fitting_pixels(data, header, fit_size(height, width, canvas))
    except DecodingError:
        raise
    except UnknownRangeError as error:
        raise DecodingError(FailureCode.UNSUPPORTED_FORMAT, f"{header.format}: {error}") from None
    except MemoryError:
        raise DecodingError(
            FailureCode.TOO_LARGE, f"{width} x {height} pixels do not fit into memory"
        ) from None
    except Exception as error:  # codecs raise whatever a damaged file makes them trip over
        raise _from_codec(header.format, error) from error
    scale = min(1.0, canvas.height / height, canvas.width / width)
    return Picture(pixels, Original(height, width, header.orientation, scale))


def decode_image(
    encoded: EncodedImage, canvas: Canvas, max_pixels: int = DEFAULT_MAX_PIXELS
) -> DecodedImage | Failure:
    """Decode one image of the pipeline.

    Args:
        encoded: The file as read.
        canvas: What the picture must fit into.
        max_pixels: Pixels that its header may claim.

    Returns:
        The picture, or why there is none; nothing is raised, whatever the bytes.
    """
    try:
        picture = decode(encoded.data, canvas, max_pixels)
    except DecodingError as error:
        return Failure(encoded.ref, Stage.DECODE, error.code, error.message, encoded.slot)
    return DecodedImage(encoded.ref, picture.pixels, picture.original, encoded.slot)


def _fitting_pixels(data: bytes, header: Header, content: tuple[int, int]) -> NDArray[np.uint8]:
    height, width = content[::-1] if header.orientation >= 5 else content
    if header.format is ImageFormat.JPEG:
        scaled = decode_jpeg(data, header, height, width)
        pixels = reduce_by_area(scaled.pixels, height, width, scaled.rows, scaled.columns)
    else:
        pixels = reduce_by_area(decode_whole(data, header), height, width)
    return turn_upright(pixels, header.orientation)


def _from_codec(image_format: ImageFormat, error: Exception) -> DecodingError:
    reason = next(iter(str(error).splitlines()), "").strip()[:_LONGEST_REASON]
    if reason.startswith(_UNSUPPORTED_KINDS):
        return DecodingError(FailureCode.UNSUPPORTED_FORMAT, f"{image_format}: {reason}")
    return corrupt(image_format, reason or type(error).__name__)
