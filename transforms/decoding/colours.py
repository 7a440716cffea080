"""Pictures of any Pillow mode as 8-bit RGB over white."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from numpy.typing import NDArray

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
        bits: Significant bits of a sample, where Pillow keeps 16.
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


def _high_byte(band: Image.Image, bits: int, inverted: bool) -> NDArray[np.uint8]:
    samples = np.asarray(band)
    grey = (samples >> (bits - 8)).astype(np.uint8)
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
