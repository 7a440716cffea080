"""Scenes as image files of several formats, some as a turned camera stores them, and the truth."""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING

from PIL import Image

from beam_deeplab.deeplab.labels import SCENES

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_ORIENTATION_TAG = 274
# What has to be done to an upright picture so that the Exif orientation undoes it.
_STORED = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}
_JPEG_SHARE, _PNG_SHARE = 0.6, 0.2
_TURNED_SHARE = 0.25


@dataclass(frozen=True, slots=True)
class FileKind:
    """How a scene is stored.

    Attributes:
        suffix: ``.jpg``, ``.png`` or ``.webp``.
        quality: 80 to 95, of JPEG and WebP.
        orientation: The Exif orientation, 1 to 8; other than 1 for JPEG only.
    """

    suffix: str
    quality: int
    orientation: int = 1


def draw_file_kind(rng: np.random.Generator) -> FileKind:
    """Draws how a scene is stored: three in five are JPEG, a quarter of those turned."""
    share, turned = rng.random(2)
    quality = int(rng.integers(80, 96))
    orientation = int(rng.integers(2, 9))
    if share < _JPEG_SHARE:
        return FileKind(".jpg", quality, orientation if turned < _TURNED_SHARE else 1)
    return FileKind(".png" if share < _JPEG_SHARE + _PNG_SHARE else ".webp", quality)


def encode_picture(image: NDArray[np.uint8], kind: FileKind) -> bytes:
    """A file of an upright picture, uint8 RGB [height, width, 3], which its Exif turns back."""
    picture = Image.fromarray(image)
    buffer = BytesIO()
    if kind.suffix == ".png":
        picture.save(buffer, "PNG", compress_level=1)
    elif kind.suffix == ".webp":
        picture.save(buffer, "WEBP", quality=kind.quality, method=2)
    elif kind.orientation == 1:
        picture.save(buffer, "JPEG", quality=kind.quality)
    else:
        exif = Image.Exif()
        exif[_ORIENTATION_TAG] = kind.orientation
        stored = picture.transpose(_STORED[kind.orientation])
        stored.save(buffer, "JPEG", quality=kind.quality, exif=exif)
    return buffer.getvalue()


def encode_truth(truth: NDArray[np.uint8]) -> bytes:
    """Encode a truth mask, uint8 class ids of shape [height, width].

    Returns:
        An indexed PNG whose pixels are the ids, in the colours of :data:`deeplab.labels.SCENES`.
    """
    picture = Image.fromarray(truth)
    picture.putpalette(SCENES.palette_bytes())
    buffer = BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()
