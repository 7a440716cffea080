"""The first picture of a PNG, WebP, GIF, BMP or TIFF file as RGB pixels, as they are stored.

WebP goes to libwebp through OpenCV, which needs a fraction of the memory that Pillow does, the
others to Pillow. Its plugin classes are used directly, since ``Image.open`` would measure every
picture by a process-wide limit and warn. Of files that hold more than one picture, or text and
profiles that may unpack to gigabytes, the codec gets only the first picture, as a file of its own.
"""

from __future__ import annotations

import struct
import zlib
from io import BytesIO
from typing import TYPE_CHECKING

import cv2
import numpy as np
from PIL import Image, ImageFile
from PIL import _imaging as core
from PIL.BmpImagePlugin import BmpImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile

from beam_deeplab.transforms.decoding.colours import rgb_over_white
from beam_deeplab.transforms.decoding.containers import (
    PNG_SIGNATURE,
    first_gif_frame,
    gif_palette_end,
    png_chunks,
    read_uint24,
    riff_chunks,
    webp_frame_size,
)
from beam_deeplab.transforms.decoding.formats import Header, ImageFormat, check_size, corrupt

if TYPE_CHECKING:
    from numpy.typing import NDArray

_PNG_PIXEL_CHUNKS = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND")
_WEBP_ANIMATION_FLAG, _WEBP_ALPHA_FLAG = 0x02, 0x10

_BITS_PER_SAMPLE_TAG, _PHOTOMETRIC_TAG = 258, 262
_PLANAR_TAG, _PLANES_APART = 284, 2
_WHITE_IS_ZERO = 0


def decode_whole(data: bytes, header: Header) -> NDArray[np.uint8]:
    """Decode the first picture of a file that is not a JPEG.

    Args:
        data: The file's content.
        header: What it claims, its size already checked.

    Returns:
        uint8 RGB of shape [header.height, header.width, 3].

    Raises:
        DecodingError: CORRUPT if the file is damaged, cut off, or of another size than its header
            claims.
        UnknownRangeError: The picture cannot be brought to 8 bits.
        Exception: Whatever else a codec raises for a damaged file.
    """
    return _DECODERS[header.format](data, header)


def _decode_png(data: bytes, header: Header) -> NDArray[np.uint8]:
    image = load_png(data, header)
    _scale_png_transparency(image, bit_depth=data[24])
    return rgb_over_white(image)


def load_png(data: bytes, header: Header) -> ImageFile.ImageFile:
    """Let Pillow decode a PNG, its checksums checked.

    Args:
        data: The file's content.
        header: What it claims, its size already checked.

    Returns:
        The picture in Pillow's mode of it: the samples as they are stored, except that grey ones
        of 2 or 4 bits are spread over 0 to 255.

    Raises:
        DecodingError: CORRUPT if the file is damaged, cut off, or of another size than its header
            claims.
        Exception: Whatever else the codec raises for a damaged file.
    """
    # Only what the pixels need is handed on: no text or profile that unpacks to gigabytes, and of
    # an animation the still picture that every reader shows.
    kept: list[bytes | memoryview] = [PNG_SIGNATURE]
    view = memoryview(data)
    kind = b""
    for kind, begin, end in png_chunks(data):
        if kind not in _PNG_PIXEL_CHUNKS:
            continue
        (checksum,) = struct.unpack_from(">I", data, end)
        if zlib.crc32(view[begin - 4 : end]) != checksum:
            raise corrupt(ImageFormat.PNG, f"the checksum of a chunk {kind.decode()} is wrong")
        kept.append(view[begin - 8 : end + 4])
    if kind != b"IEND":
        raise corrupt(ImageFormat.PNG, "the file is cut off")
    return load_picture(PngImageFile(BytesIO(b"".join(kept))), header)


def _scale_png_transparency(image: Image.Image, bit_depth: int) -> None:
    """Bring the transparent colour to the scale that Pillow gives the samples."""
    transparent = image.info.get("transparency")
    if image.mode == "L" and bit_depth in (2, 4) and isinstance(transparent, int):
        image.info["transparency"] = transparent * 255 // ((1 << bit_depth) - 1)
    elif image.mode == "RGB" and bit_depth == 16 and isinstance(transparent, tuple):
        image.info["transparency"] = tuple(sample >> 8 for sample in transparent)


def _decode_webp(data: bytes, header: Header) -> NDArray[np.uint8]:
    (riff_size,) = struct.unpack_from("<I", data, 4)
    if riff_size + 8 > len(data):
        raise corrupt(ImageFormat.WEBP, "the file is cut off")
    if data[12:16] == b"VP8X" and data[20] & _WEBP_ANIMATION_FLAG:
        return _decode_animated_webp(data, header)
    return _decode_still_webp(data, header.height, header.width)


def _decode_still_webp(data: bytes, height: int, width: int) -> NDArray[np.uint8]:
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if pixels is None:
        raise corrupt(ImageFormat.WEBP, "libwebp cannot decode it")
    check_size(Header(ImageFormat.WEBP, height, width), *pixels.shape[:2])
    if pixels.shape[2] == 3:
        rgb: NDArray[np.uint8] = cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB)
        return rgb
    cv2.cvtColor(pixels, cv2.COLOR_BGRA2RGBA, dst=pixels)
    return rgb_over_white(Image.frombuffer("RGBA", (width, height), pixels))


def _decode_animated_webp(data: bytes, header: Header) -> NDArray[np.uint8]:
    for kind, begin, end in riff_chunks(data, 12, len(data)):
        if kind == b"ANMF":
            left, top = 2 * read_uint24(data, begin), 2 * read_uint24(data, begin + 3)
            width, height = read_uint24(data, begin + 6) + 1, read_uint24(data, begin + 9) + 1
            still = _still_webp(data, begin + 16, min(end, len(data)), height, width)
            return _on_white(_decode_still_webp(still, height, width), header, top, left)
    raise corrupt(ImageFormat.WEBP, "an animation without a frame")


def _still_webp(data: bytes, begin: int, end: int, height: int, width: int) -> bytes:
    """One frame of an animation as a file of its own."""
    for kind, frame_begin, _ in riff_chunks(data, begin, end):
        if kind in (b"VP8 ", b"VP8L"):
            if webp_frame_size(data, kind, frame_begin) != (height, width):
                raise corrupt(ImageFormat.WEBP, "its headers disagree about its size")
            break
    else:
        raise corrupt(ImageFormat.WEBP, "a frame without a picture")
    sides = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    features = struct.pack("<4sIB3x", b"VP8X", 10, _WEBP_ALPHA_FLAG) + sides
    chunks = b"WEBP" + features + data[begin:end]
    return struct.pack("<4sI", b"RIFF", len(chunks)) + chunks


def _decode_gif(data: bytes, header: Header) -> NDArray[np.uint8]:
    frame = first_gif_frame(data)
    if frame is None:
        raise corrupt(ImageFormat.GIF, "there is no picture in it")
    # The first frame as a file of its own: Pillow would allocate for its disposal, too.
    size = struct.pack("<HH", frame.width, frame.height)
    graphic_control = b""
    if frame.transparent is not None:
        graphic_control = struct.pack("<BBBBHBB", 0x21, 0xF9, 4, 1, 0, frame.transparent, 0)
    still = b"".join(
        (
            data[:6],
            size,
            data[10 : gif_palette_end(data)],
            graphic_control,
            b",\0\0\0\0",
            size,
            memoryview(data)[frame.begin + 9 :],
        )
    )
    image = load_picture(
        GifImageFile(BytesIO(still)), Header(ImageFormat.GIF, frame.height, frame.width)
    )
    return _on_white(rgb_over_white(image), header, frame.top, frame.left)


def _on_white(frame: NDArray[np.uint8], header: Header, top: int, left: int) -> NDArray[np.uint8]:
    height, width = frame.shape[:2]
    if top + height > header.height or left + width > header.width:
        raise corrupt(header.format, "its first frame reaches beyond its canvas")
    if (height, width) == (header.height, header.width):
        return frame
    pixels = np.full((header.height, header.width, 3), 255, np.uint8)
    pixels[top : top + height, left : left + width] = frame
    return pixels


class _StoredTiff(TiffImageFile):
    """A TIFF picture as it is stored: not rotated, and not measured by Pillow's limit."""

    def load_prepare(self) -> None:
        if self._im is None:
            self._size = self._tile_size
            self.im = core.new(self.mode, self._tile_size)
        ImageFile.ImageFile.load_prepare(self)

    def load_end(self) -> None:
        pass


def _decode_tiff(data: bytes, header: Header) -> NDArray[np.uint8]:
    image = _StoredTiff(BytesIO(data))
    # Until the pixels are loaded, Pillow gives the upright size.
    check_size(header, *image.size[::-1], expected=header.upright_size)
    _refuse_missing_strips(image, header)
    image.load()
    check_size(header, *image.size[::-1])
    bits = image.tag_v2.get(_BITS_PER_SAMPLE_TAG, (16,))[0]
    inverted = image.tag_v2.get(_PHOTOMETRIC_TAG) == _WHITE_IS_ZERO
    return rgb_over_white(image, bits=bits, inverted=inverted)


def _refuse_missing_strips(image: TiffImageFile, header: Header) -> None:
    # Pillow leaves black what an uncompressed file has no strip for.
    planes = 1
    if image.tag_v2.get(_PLANAR_TAG) == _PLANES_APART and not image.use_load_libtiff:
        planes = len(image.getbands())
    covered = sum(
        (box[2] - box[0]) * (box[3] - box[1]) for box in (t[1] for t in image.tile) if box
    )
    if covered < header.height * header.width * planes:
        raise corrupt(ImageFormat.TIFF, "some of its strips or tiles are missing")


def _decode_bmp(data: bytes, header: Header) -> NDArray[np.uint8]:
    return rgb_over_white(load_picture(BmpImageFile(BytesIO(data)), header))


def load_picture(image: ImageFile.ImageFile, header: Header) -> ImageFile.ImageFile:
    """Let Pillow decode a picture, if it sees the size that was checked."""
    check_size(header, image.height, image.width)
    image.load()
    return image


_DECODERS = {
    ImageFormat.PNG: _decode_png,
    ImageFormat.WEBP: _decode_webp,
    ImageFormat.GIF: _decode_gif,
    ImageFormat.BMP: _decode_bmp,
    ImageFormat.TIFF: _decode_tiff,
}
