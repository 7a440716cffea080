"""Pictures of any Pillow mode as 8-bit RGB over white."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from beam_deeplab.transforms.decoding.formats import Header, corrupt

_BAND_PIXELS = 1 << 20
_MODES_OF_UNKNOWN_RANGE = frozenset({"I", "F"})


class UnknownRangeError(Exception):
    """Samples whose black and white nobody has defined: floating point, signed or 32-bit."""


def rgb_over_white(
    image: Image.Image, *, bits: int = 16, inverted: bool = False
) -> NDArray[np.uint8]:
    """Convert a loaded picture to RGB.

    Transparent parts show white, CMYK is converted as Pillow does it. Of samples with more than 8
    bits the upper 8 are taken, which is what Pillow and libpng do to 16-bit RGB: full range comes
    to full range, and an 8-bit picture stored in 16 bits comes back as it was. The picture is
    converted in bands, so that nothing of its size is made besides the result.

    Args:
        image: The picture, its pixels loaded.
        bits: Significant bits of a sample, where Pillow keeps 16; larger samples are white.
        inverted: Whether 0 is white, where Pillow keeps 16 bits (it inverts 8-bit samples itself).

    Returns:
        uint8 of shape [height, width, 3].

    Raises:
        UnknownRangeError: The samples are floating point, signed or 32-bit integers.
    """
    if image.mode in _MODES_OF_UNKNOWN_RANGE:
        raise UnknownRangeError(
            "samples of floating point, 32 bits or with a sign have no fixed range"
        )
    rgb = np.empty((image.height, image.width, 3), np.uint8)
    rows = max(1, _BAND_PIXELS // image.width)
    for top in range(0, image.height, rows):
        bottom = min(top + rows, image.height)
        is_whole = rows >= image.height
        band = image if is_whole else image.crop((0, top, image.width, bottom))
        if image.mode.startswith("I;16"):
            rgb[top:bottom] = _high_byte(band, bits, inverted)[..., None]
        elif image.has_transparency_data:
            rgb[top:bottom] = np.asarray(_over_white(band))
        else:
            rgb[top:bottom] = np.asarray(band.convert("RGB"))
    return rgb


def deep_over_white(samples: NDArray[np.uint16], bits: int) -> NDArray[np.uint8]:
    """Convert a picture of 16 bits a sample to RGB, in bands as :func:`rgb_over_white`.

    Args:
        samples: uint16 of shape [height, width, channels]: blue, green, red and perhaps alpha, of
            16 bits, as OpenCV gives them.
        bits: Significant bits of a colour's sample.

    Returns:
        uint8 of shape [height, width, 3].
    """
    height, width, channels = samples.shape
    rgb = np.empty((height, width, 3), np.uint8)
    rows = max(1, _BAND_PIXELS // width)
    for top in range(0, height, rows):
        band = samples[top : top + rows]
        colours = high_bytes(band[..., 2::-1], bits)
        if channels == 4:
            alpha = (band[..., 3] >> 8).astype(np.uint8)
            veiled = Image.fromarray(np.dstack([colours, alpha]), "RGBA")
            colours = np.asarray(_over_white(veiled))
        rgb[top : top + rows] = colours
    return rgb


def high_bytes(samples: NDArray[np.uint16], bits: int) -> NDArray[np.uint8]:
    """The upper 8 of a sample's bits; 255 for what is larger than these can be."""
    high: NDArray[np.uint8] = np.minimum(samples >> (bits - 8), 255).astype(np.uint8)
    return high


def place_on_white(
    frame: NDArray[np.uint8], header: Header, top: int, left: int
) -> NDArray[np.uint8]:
    """Put a frame on its white canvas: uint8 of shape [header.height, header.width, 3].

    Raises:
        DecodingError: CORRUPT if the frame reaches beyond the canvas.
    """
    height, width = frame.shape[:2]
    if top + height > header.height or left + width > header.width:
        raise corrupt(header.format, "its first frame reaches beyond its canvas")
    if (height, width) == (header.height, header.width):
        return frame
    pixels = np.full((header.height, header.width, 3), 255, np.uint8)
    pixels[top : top + height, left : left + width] = frame
    return pixels


def _high_byte(band: Image.Image, bits: int, inverted: bool) -> NDArray[np.uint8]:
    samples = np.asarray(band)
    grey = high_bytes(samples, bits)
    if inverted:
        grey = 255 - grey
    transparent = band.info.get("transparency")
    if transparent is not None:
        grey[samples == transparent] = 255
    return grey


def _over_white(band: Image.Image) -> Image.Image:
    rgba = band.convert("RGBA")
    white = Image.new("RGB", band.size, "white")
    white.paste(rgba, mask=rgba)
    return white
