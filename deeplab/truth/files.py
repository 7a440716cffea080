"""The pixels of truth files as they are stored: ids are never spread, scaled or converted."""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, Any, Final

import cv2
import numpy as np
from PIL import Image, ImageOps
from PIL.BmpImagePlugin import BmpImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL.ImageFile import ImageFile

MAX_PIXELS: Final = 250_000_000
"""Pixels that a header may claim, unless told otherwise."""

_READERS: Final[dict[bytes, type[ImageFile]]] = {
    b"\x89PNG\r\n\x1a\n": PngImageFile,
    b"GIF8": GifImageFile,
    b"BM": BmpImageFile,
    b"II*\0": TiffImageFile,
    b"MM\0*": TiffImageFile,
}
_LOSSY: Final = {b"\xff\xd8": "a JPEG", b"RIFF": "a WebP", b"\0\0\0": "a HEIC or AVIF file"}

_LOSSLESS_TIFF: Final = frozenset(
    {"raw", "tiff_lzw", "tiff_adobe_deflate", "tiff_deflate", "packbits", "lzma", "zstd"}
)
_BITS_TAG, _PHOTOMETRIC_TAG, _PLANAR_TAG = 258, 262, 284
_TILE_TAGS: Final = (322, 323)
_PLACE_TAGS: Final = (273, 279, 324, 325)  # offsets and sizes of strips and tiles
_BMP_RUN_LENGTHS: Final = (1, 2)
_LONGEST_REASON: Final = 120


class TruthError(ValueError):
    """A truth file that cannot be read as classes; one short line, without the file's name."""


@dataclass(frozen=True, slots=True)
class StoredPixels:
    """What a truth file holds, upright.

    Attributes:
        values: uint8 or uint16, of shape [height, width] for grey and indexed files, of shape
            [height, width, 3] for RGB.
        palette: uint8 of shape [colours, 3] of an indexed file; None of others.
    """

    values: NDArray[Any]
    palette: NDArray[np.uint8] | None = None


def read_pixels(data: bytes, max_pixels: int = MAX_PIXELS) -> StoredPixels:
    """Read a truth file, turned upright as Exif says.

    Args:
        data: A PNG (grey of 1, 2, 4, 8 or 16 bits, indexed, RGB, either with alpha), or a GIF, BMP
            or TIFF that keeps every pixel's value. Of an animation the first picture counts. Alpha
            is not looked at.
        max_pixels: Pixels that its header may claim.

    Raises:
        TruthError: It is no such file, damaged, or too large.
    """
    try:
        with _open(data) as image:
            _refuse_too_large(image, max_pixels)
            if isinstance(image, TiffImageFile):
                _check_tiff(image, max_pixels)
            elif isinstance(image, BmpImageFile):
                _check_bmp(image)
            return _stored(image, data)
    except TruthError:
        raise
    except MemoryError as error:
        raise TruthError("does not fit into memory") from error
    except Exception as error:  # codecs raise whatever a damaged file makes them trip over
        reason = next(iter(str(error).splitlines()), "")[:_LONGEST_REASON] or type(error).__name__
        raise TruthError(f"is damaged: {reason}") from error


def _open(data: bytes) -> ImageFile:
    if not data:
        raise TruthError("the file is empty")
    for signature, reader in _READERS.items():
        if data.startswith(signature):
            if reader is PngImageFile:
                # Pillow checks no checksum, and misses no missing end, where it decodes pixels.
                PngImageFile(BytesIO(data)).verify()
            # Its plugin classes are used directly, since Image.open measures every picture by a
            # process-wide limit.
            return reader(BytesIO(data))
    for signature, kind in _LOSSY.items():
        if data.startswith(signature):
            raise TruthError(f"is {kind}, which does not keep ids: save the masks as PNG")
    raise TruthError("is no PNG, GIF, BMP or TIFF")


def _refuse_too_large(image: ImageFile, max_pixels: int) -> None:
    if image.width * image.height > max_pixels:
        raise TruthError(
            f"its header claims {image.width} x {image.height} pixels, more than {max_pixels}"
        )


def _check_tiff(image: TiffImageFile, max_pixels: int) -> None:
    compression = image.info.get("compression")
    if compression not in _LOSSLESS_TIFF:
        raise TruthError(f"is a TIFF compressed by {compression}: save the masks as PNG")
    tags = image.tag_v2
    if image.mode != "P" and tags.get(_PHOTOMETRIC_TAG) == 0:
        raise TruthError("is a TIFF in which 0 is white: save the masks as PNG")
    bits = tags.get(_BITS_TAG, (1,))
    if len(bits) > 1 and (max(bits) > 8 or tags.get(_PLANAR_TAG) == 2):
        raise TruthError("is a TIFF of more than 8 bits a colour, or in planes: save it as PNG")
    is_sparse = any(0 in tags[tag] for tag in _PLACE_TAGS if tag in tags)
    sides = [tags[tag] for tag in _TILE_TAGS if tag in tags]
    if is_sparse or np.prod(sides, dtype=float) > max_pixels:
        raise TruthError("is a TIFF of missing or oversized tiles: save it as PNG")


def _check_bmp(image: BmpImageFile) -> None:
    if image.info.get("compression") in _BMP_RUN_LENGTHS:
        raise TruthError("is a BMP of run lengths: save it as PNG")


def _stored(image: ImageFile, data: bytes) -> StoredPixels:
    bits = data[24] if isinstance(image, PngImageFile) else 8
    orientation = image.getexif().tobytes()
    upright: Image.Image = image
    if bits == 16 and image.mode != "I;16":
        # Pillow keeps the upper halves of samples where there are several a pixel.
        upright = _narrowed(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED))
        upright.info["exif"] = orientation
    upright = ImageOps.exif_transpose(upright)
    values = np.asarray(upright)
    if upright.mode == "P":
        palette = np.array(upright.getpalette("RGB"), np.uint8).reshape(-1, 3)
        return StoredPixels(values, palette)
    if upright.mode == "1":
        values = values.astype(np.uint8)
    elif upright.mode == "L" and bits < 8:
        values = values // (255 // ((1 << bits) - 1))  # Pillow has spread them over 0 to 255
    elif upright.mode == "LA":
        values = values[..., 0]
    elif upright.mode == "RGBA":
        values = values[..., :3]
    elif upright.mode not in ("L", "RGB", "I;16", "I;16B"):
        raise TruthError(f"holds samples of the kind {upright.mode}, which are no ids")
    return StoredPixels(values)


def _narrowed(samples: NDArray[np.uint16] | None) -> Image.Image:
    """Colours of 16 bits as 8-bit ones, or as 16-bit grey where all channels are equal."""
    if samples is None:
        raise TruthError("is damaged: libpng cannot decode it")
    rgb = samples[..., 2::-1]
    if is_grey(rgb):
        return Image.fromarray(np.ascontiguousarray(rgb[..., 0]))
    narrow = rgb >> 8
    if not np.array_equal(narrow * 257, rgb):
        raise TruthError("holds colours of 16 bits that 8 bits cannot hold")
    return Image.fromarray(narrow.astype(np.uint8))


def is_grey(rgb: NDArray[Any]) -> bool:
    """Whether the three channels of a picture are equal everywhere."""
    return np.array_equal(rgb[..., 0], rgb[..., 1]) and np.array_equal(rgb[..., 1], rgb[..., 2])
