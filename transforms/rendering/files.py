"""Rendered pictures as files, with what of the original's metadata holds for them.

The colour profile always comes along, since the samples are in its space. Of Exif, if it is kept,
those tags that describe the photo and not its file: without the orientation, since the picture is
upright now, and without embedded previews and makers' notes, which may show what was taken out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum
from io import BytesIO
from typing import Any, Final

import cv2
import numpy as np
import pi_heif
from numpy.typing import NDArray
from PIL import Image
from PIL.AvifImagePlugin import AvifImageFile
from PIL.ExifTags import IFD, Base
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

from beam_deeplab.transforms.decoding.formats import ImageFormat, sniff_format


class FileFormat(StrEnum):
    """The formats that rendered pictures are written in; their values are the files' suffixes."""

    JPEG = "jpg"
    PNG = "png"
    WEBP = "webp"


_PARAMETERS: Final = {
    FileFormat.JPEG: [cv2.IMWRITE_JPEG_QUALITY, 95],
    FileFormat.PNG: [],
    FileFormat.WEBP: [cv2.IMWRITE_WEBP_QUALITY, 90],
}

_LONGEST_SIDES: Final = {
    FileFormat.JPEG: 65_500,
    FileFormat.PNG: 1_000_000,
    FileFormat.WEBP: 16_383,
}

# Beside Pillow's registry, which judges a picture by a process-wide limit of pixels.
_OPENERS: Final[Mapping[ImageFormat, Callable[[BytesIO], Image.Image]]] = {
    ImageFormat.JPEG: JpegImageFile,
    ImageFormat.PNG: PngImageFile,
    ImageFormat.WEBP: WebPImageFile,
    ImageFormat.TIFF: TiffImageFile,
    ImageFormat.AVIF: AvifImageFile,
}

_KEPT: Final = (
    Base.ImageDescription,
    Base.Make,
    Base.Model,
    Base.Software,
    Base.DateTime,
    Base.Artist,
    Base.Copyright,
)
_NOT_KEPT: Final = (Base.MakerNote, Base.ExifImageWidth, Base.ExifImageHeight, IFD.Interop)


def encode_picture(
    pixels: NDArray[np.uint8],
    file_format: FileFormat,
    original: bytes,
    *,
    keep_exif: bool = False,
) -> bytes:
    """A picture as a file.

    Args:
        pixels: uint8 RGB, or RGBA but for JPEG, of shape [height, width, 3 or 4].
        file_format: Of the file; only PNG keeps all samples as they are.
        original: The file that the picture was made from.
        keep_exif: Whether the photo's Exif comes along: camera, time, place.

    Raises:
        ValueError: The format cannot hold a picture of this size.
    """
    limit = _LONGEST_SIDES[file_format]
    if max(pixels.shape) > limit:
        raise ValueError(f"a .{file_format} holds sides of up to {limit:,} pixels")
    order = cv2.COLOR_RGBA2BGRA if pixels.shape[2] == 4 else cv2.COLOR_RGB2BGR
    picture = cv2.cvtColor(pixels, order)
    profile, exif = _metadata(original, keep_exif=keep_exif)
    found = {cv2.IMAGE_METADATA_ICCP: profile, cv2.IMAGE_METADATA_EXIF: exif}
    # A profile that no reader of the format would take costs only itself.
    for metadata in (found, found | {cv2.IMAGE_METADATA_ICCP: b""}, {}):
        given = {kind: np.frombuffer(content, np.uint8) for kind, content in metadata.items()}
        given = {kind: content for kind, content in given.items() if content.size}
        is_encoded, encoded = cv2.imencodeWithMetadata(
            f".{file_format}", picture, [*given], [*given.values()], _PARAMETERS[file_format]
        )
        if is_encoded:
            return bytes(encoded)
    raise ValueError(f"it cannot be written as .{file_format}")


def _metadata(original: bytes, *, keep_exif: bool) -> tuple[bytes, bytes]:
    """The colour profile and the Exif block, each empty if there is none that can be read."""
    try:
        info, exif = _stored(original)
        profile = info.get("icc_profile") or b""
        # Those of grey, CMYK and Lab pictures say nothing of RGB.
        is_whole = int.from_bytes(profile[:4], "big") == len(profile)
        profile = profile if is_whole and profile[16:20] == b"RGB " else b""
        return profile, _photo_tags(exif) if keep_exif else b""
    except Exception:  # whatever damaged metadata make a library trip over; the pixels are whole
        return b"", b""


def _stored(original: bytes) -> tuple[Mapping[Any, Any], Image.Exif]:
    image_format = sniff_format(original)
    if image_format is ImageFormat.HEIF:
        file = pi_heif.open_heif(original)
        info = file[file.primary_index].info
        exif = Image.Exif()
        exif.load(info.get("exif") or b"")
        return info, exif
    if image_format is None or image_format not in _OPENERS:
        return {}, Image.Exif()
    image = _OPENERS[image_format](BytesIO(original))
    return image.info, image.getexif()


def _photo_tags(exif: Image.Exif) -> bytes:
    kept = Image.Exif()
    kept.update({tag: exif[tag] for tag in _KEPT if tag in exif})
    for directory in (IFD.Exif, IFD.GPSInfo):
        entries = {
            tag: value for tag, value in exif.get_ifd(directory).items() if tag not in _NOT_KEPT
        }
        if entries:
            kept[directory] = entries
    return kept.tobytes() if len(kept) else b""
