"""TIFF files, of those with several pictures the first.

Pillow reads the directory and hands everything else to libtiff, uncompressed files too: its own
reader of these takes planes of 16 bits for ones of 8, and shows what happens to be where a missing
tile would be. Source: TIFF 6.0; DNG 1.7 (previews and raw pictures).
"""

from __future__ import annotations

import struct
from io import BytesIO

import cv2
import numpy as np
from PIL import ImageFile
from PIL import _imaging as core
from PIL.TiffImagePlugin import TiffImageFile

from beam_deeplab.transforms.decoding.colours import deep_over_white, rgb_over_white
from beam_deeplab.transforms.decoding.formats import (
    DecodeRequest,
    DecodingError,
    Header,
    ImageFormat,
    StoredPicture,
    check_size,
    corrupt,
    unsupported,
)
from beam_deeplab.transforms.decoding.orientation import stored_orientation
from beam_deeplab.transforms.decoding.tiff_directory import TiffDirectory, read_directory, with_only

_SUBFILE, _WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC = 254, 256, 257, 258, 259, 262
_STRIP_OFFSETS, _SAMPLES, _ROWS_PER_STRIP, _STRIP_SIZES, _PLANAR = 273, 277, 278, 279, 284
_TILE_WIDTH, _TILE_HEIGHT, _TILE_OFFSETS, _TILE_SIZES = 322, 323, 324, 325
_SUB_DIRECTORIES, _EXTRA_SAMPLES, _SAMPLE_FORMAT, _XMP = 330, 338, 339, 700
_OLD_SUBFILE, _DNG_VERSION = 255, 50706
# What libtiff needs to decode a picture: bits, compression, colours, strips and tiles.
_PICTURE_TAGS = frozenset(
    {*range(256, 260), 262, 266, 273, *range(277, 280), 284, 292, 293, 317, 320, *range(322, 326)}
    | {332, 338, 339, 347, *range(512, 516), *range(517, 522), *range(529, 533)}
)
_UNCOMPRESSED, _LZW, _JPEG = 1, 5, 7
# What libtiff has in Pillow's wheels: CCITT, LZW, JPEG, deflate, PackBits, LZMA and Zstandard.
_COMPRESSIONS = frozenset({*range(1, 9), 32773, 32946, 34925, 50000})
_OTHER_COMPRESSIONS = {
    32767: "Sony raw",
    33003: "JPEG 2000",
    33005: "JPEG 2000",
    34712: "JPEG 2000",
    34713: "Nikon raw",
    34887: "LERC",
    34892: "lossy JPEG of a DNG",
    34933: "PNG",
    34934: "JPEG XR",
    50001: "WebP",
    50002: "JPEG XL",
    52546: "JPEG XL",
    65000: "Kodak raw",
    65535: "Pentax raw",
}
_PHOTOMETRICS = {0: "grey", 1: "grey", 2: "RGB", 3: "palette", 5: "inks", 6: "YCbCr", 8: "L*a*b*"}
_RAW_PHOTOMETRICS = (32803, 34892)  # colour filter array, linear raw
_RAW_COMPRESSIONS = (32767, 34713, 65000, 65535)
_WHITE_IS_ZERO, _RGB, _PLANES_APART, _REDUCED, _STRAIGHT_ALPHA = 0, 2, 2, 1, 2
_CANON_RAW = b"CR"
_MOST_ENTRIES = 4096
_MOST_DIRECTORIES = 16
# More bands than colours, an alpha and one other are measurements, of which Pillow shows the first.
_MOST_EXTRA_SAMPLES = 2
_MOST_STRIP_BYTES = 4


def read_header(data: bytes) -> Header:
    """Read what a TIFF claims; see :func:`transforms.decoding.codecs.read_header`."""
    directory = read_directory(data)
    if not directory.is_whole:
        raise corrupt(ImageFormat.TIFF, "its first directory is cut off")
    if len(directory.entries) > _MOST_ENTRIES:  # as libtiff does
        raise corrupt(ImageFormat.TIFF, f"more than {_MOST_ENTRIES} entries in its first directory")
    if _WIDTH not in directory or _HEIGHT not in directory:
        raise corrupt(ImageFormat.TIFF, "its first directory gives no size")
    _refuse_camera_raw(data, directory)
    return Header(
        ImageFormat.TIFF,
        directory.integer(_HEIGHT, 0),
        directory.integer(_WIDTH, 0),
        stored_orientation(data, directory.content(_XMP)),
        pixel_bytes=12,
        tile_pixels=directory.integer(_TILE_WIDTH, 0) * directory.integer(_TILE_HEIGHT, 0),
    )


def decode(data: bytes, request: DecodeRequest) -> StoredPicture:
    """Decode a TIFF; see :func:`transforms.decoding.codecs.decode_stored`."""
    header, options = request.header, request.options
    directory = read_directory(data)
    compression = directory.integer(_COMPRESSION, _UNCOMPRESSED)
    if compression not in _COMPRESSIONS:
        name = _OTHER_COMPRESSIONS.get(compression, "unknown")
        raise unsupported(ImageFormat.TIFF, f"compression {compression} ({name}) is not read")
    missing = _missing_bytes(data, directory)
    if missing and not request.keeps_truncated:
        raise corrupt(ImageFormat.TIFF, "the file is cut off")
    if compression == _JPEG:
        _refuse_progressive_strips(data, directory)
    padding = bytes(min(missing, 16 * header.height * header.width))
    picture = with_only(data + padding, directory, _PICTURE_TAGS)
    bits = directory.integer(_BITS, 1)
    if bits == 16 and options.sample_bits < 16 and directory.integer(_SAMPLES, 1) > 1:
        pixels = _deep_colours(picture, directory, header, options.sample_bits)
    else:
        image = _open(picture, directory)
        check_size(header, *image.size[::-1])
        try:
            image.load()
        except OSError:
            if not missing:
                raise
            image.load()  # what libtiff has decoded stays
        inverted = directory.integer(_PHOTOMETRIC, 1) == _WHITE_IS_ZERO
        bits = min(bits, options.sample_bits)
        pixels = rgb_over_white(image, bits=bits, inverted=inverted)
    return StoredPicture(pixels, truncated=missing > 0)


class _Tiff(TiffImageFile):
    """A picture that libtiff decodes, and that Pillow's process-wide limit does not measure."""

    def _setup(self) -> None:
        if self.tag_v2.get(_COMPRESSION, _UNCOMPRESSED) == _UNCOMPRESSED:
            # Only Pillow looks at this; libtiff reads the file.
            self.tag_v2[_COMPRESSION] = _LZW
        super()._setup()

    def load_prepare(self) -> None:
        if self._im is None:
            self.im = core.new(self.mode, self.size)
        ImageFile.ImageFile.load_prepare(self)


def _open(picture: bytes, directory: TiffDirectory) -> _Tiff:
    if len(directory.integers(_EXTRA_SAMPLES)) > _MOST_EXTRA_SAMPLES:
        raise _unsupported_pixels(directory)
    try:
        image = _Tiff(BytesIO(picture))
    except SyntaxError as error:
        if "unknown" not in str(error):
            raise
        raise _unsupported_pixels(directory) from None
    if image.mode == "LAB":
        raise _unsupported_pixels(directory)
    return image


def _unsupported_pixels(directory: TiffDirectory) -> DecodingError:
    samples = directory.integer(_SAMPLES, 1)
    bits = directory.integers(_BITS)[:samples].tolist()
    sizes = " and ".join(map(str, sorted(set(bits or [1]))))
    photometric = directory.integer(_PHOTOMETRIC, 1)
    colours = _PHOTOMETRICS.get(photometric, f"photometric {photometric}")
    return unsupported(
        ImageFormat.TIFF, f"{samples} bands of {sizes} bits ({colours}) are not read as a picture"
    )


def _deep_colours(
    picture: bytes, directory: TiffDirectory, header: Header, bits: int
) -> np.ndarray:
    # Pillow keeps the upper 8 bits of colours; libtiff, through OpenCV, all of them.
    extra = directory.integers(_EXTRA_SAMPLES)
    samples = directory.integer(_SAMPLES, 1)
    has_alpha = len(extra) == 1 and extra[0] == _STRAIGHT_ALPHA
    if directory.integer(_PHOTOMETRIC, 1) != _RGB or samples != 3 + has_alpha:
        raise _unsupported_pixels(directory)
    if directory.integer(_PLANAR, 1) == _PLANES_APART:
        raise unsupported(ImageFormat.TIFF, f"planes apart, of {bits} bits in 16")
    pixels = cv2.imdecode(
        np.frombuffer(picture, np.uint8), cv2.IMREAD_UNCHANGED | cv2.IMREAD_IGNORE_ORIENTATION
    )
    if pixels is None or pixels.dtype != np.uint16 or pixels.shape[2:] != (samples,):
        raise corrupt(ImageFormat.TIFF, "libtiff cannot decode it")
    check_size(header, *pixels.shape[:2])
    return deep_over_white(pixels, bits)


def _refuse_camera_raw(data: bytes, directory: TiffDirectory) -> None:
    """Refuse files whose first picture is but a preview of one that only raw converters read."""
    if (
        _DNG_VERSION in directory
        or data[8:10] == _CANON_RAW
        or any(_is_raw(each) for each in (directory, *_related(data, directory)))
    ):
        raise unsupported(ImageFormat.TIFF, "a camera raw file; develop it to JPEG or TIFF first")
    if directory.integer(_SUBFILE, 0) & _REDUCED or directory.integer(_OLD_SUBFILE, 0) == 2:
        raise unsupported(
            ImageFormat.TIFF,
            "its first picture is a preview of another one, as in camera raw files",
        )
    pixels = directory.integer(_WIDTH, 0) * directory.integer(_HEIGHT, 0)
    for offset in directory.integers(_SUB_DIRECTORIES)[:_MOST_DIRECTORIES].tolist():
        other = _directory_at(data, offset)
        if other and other.integer(_WIDTH, 0) * other.integer(_HEIGHT, 0) > pixels:
            raise unsupported(
                ImageFormat.TIFF,
                "its first picture is smaller than one below it, as in camera raw files",
            )


def _is_raw(directory: TiffDirectory) -> bool:
    return (
        directory.integer(_PHOTOMETRIC, 1) in _RAW_PHOTOMETRICS
        or directory.integer(_COMPRESSION, _UNCOMPRESSED) in _RAW_COMPRESSIONS
    )


def _related(data: bytes, directory: TiffDirectory) -> list[TiffDirectory]:
    """Some directories below the first one and behind it."""
    offsets = directory.integers(_SUB_DIRECTORIES)[:_MOST_DIRECTORIES].tolist()
    found = [each for offset in offsets if (each := _directory_at(data, offset))]
    following = directory.following
    for _ in range(_MOST_DIRECTORIES):
        other = _directory_at(data, following)
        if other is None:
            break
        found.append(other)
        following = other.following
    return found


def _directory_at(data: bytes, offset: int) -> TiffDirectory | None:
    try:
        return read_directory(data, offset) if offset else None
    except struct.error:
        return None


def _missing_bytes(data: bytes, directory: TiffDirectory) -> int:
    """How many bytes of the strips or tiles the file lacks at its end.

    Raises:
        DecodingError: CORRUPT if there are none, or some are said to be nowhere.
    """
    offsets, sizes = _strips(directory)
    # An encoder that leaves out empty tiles says so with zeros; what they show is a convention.
    if not len(offsets) or (offsets == 0).any() or (sizes == 0).any():
        raise corrupt(ImageFormat.TIFF, "some of its strips or tiles are missing")
    if len(sizes) != len(offsets):
        return max(0, int(offsets.max()) - len(data))
    ends = offsets.astype(np.float64) + sizes
    return max(0, int(ends.max()) - len(data))


def _strips(directory: TiffDirectory) -> tuple[np.ndarray, np.ndarray]:
    if _TILE_OFFSETS in directory:
        return directory.integers(_TILE_OFFSETS), directory.integers(_TILE_SIZES)
    return directory.integers(_STRIP_OFFSETS), directory.integers(_STRIP_SIZES)


def _refuse_progressive_strips(data: bytes, directory: TiffDirectory) -> None:
    # Each of a strip's scans passes over all of it; TIFF readers expect one.
    strips = np.unique(np.stack(_strips(directory), axis=1).astype(np.int64), axis=0)
    if strips[:, 1].sum() > _MOST_STRIP_BYTES * len(data):
        raise corrupt(ImageFormat.TIFF, "its strips or tiles lie over each other")
    for offset, size in strips.tolist():
        if data.find(b"\xff\xc2", offset, offset + size) >= 0:
            raise unsupported(ImageFormat.TIFF, "progressive JPEG inside")
