"""Image files put together by hand: what Pillow does not write, and what is wrong on purpose."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import pillow_heif
from numpy.typing import NDArray
from PIL import Image

from tests.corpus.entries import BLUE, FIRST_ROW_AND_COLUMN, GREEN, RED, YELLOW


def quadrants(height: int = 32, width: int = 64) -> NDArray[np.uint8]:
    """A picture of four colours, so that no turn or mirroring of it looks the same."""
    picture = np.empty((height, width, 3), np.uint8)
    picture[: height // 2, : width // 2] = RED
    picture[: height // 2, width // 2 :] = GREEN
    picture[height // 2 :, : width // 2] = BLUE
    picture[height // 2 :, width // 2 :] = YELLOW
    return picture


def texture(height: int = 96, width: int = 128, seed: int = 0) -> NDArray[np.uint8]:
    """A picture with detail everywhere, so that damage anywhere in its file matters."""
    coarse = np.random.default_rng(seed).integers(0, 256, (height // 4, width // 4, 3), np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC))


def encode(picture: NDArray[Any] | Image.Image, image_format: str, **options: Any) -> bytes:
    """Encode a picture with Pillow."""
    image = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
    buffer = io.BytesIO()
    image.save(buffer, image_format, **options)
    return buffer.getvalue()


def heic(picture: NDArray[np.uint8] | Image.Image, **options: Any) -> bytes:
    """Encode a picture as HEIC with libheif."""
    image = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
    buffer = io.BytesIO()
    pillow_heif.from_pillow(image).save(buffer, **{"quality": 95, "chroma": 444, **options})
    return buffer.getvalue()


def stored(upright: NDArray[np.uint8], orientation: int) -> NDArray[np.uint8]:
    """A picture as a camera stores it that was held according to an Exif orientation."""
    first_row, first_column = FIRST_ROW_AND_COLUMN[orientation]
    height, width = upright.shape[:2]
    along = {
        "top": np.arange(height),
        "bottom": np.arange(height)[::-1],
        "left": np.arange(width),
        "right": np.arange(width)[::-1],
    }
    if first_row in ("top", "bottom"):
        return upright[np.ix_(along[first_row], along[first_column])]
    return upright[np.ix_(along[first_column], along[first_row])].transpose(1, 0, 2)


def exif(orientation: int, order: str = "<") -> bytes:
    """An Exif block of one entry, with the prefix that JPEG files want."""
    mark = b"II" if order == "<" else b"MM"
    entry = struct.pack(order + "HHIHxx", 274, 3, 1, orientation)
    return b"Exif\0\0" + mark + struct.pack(order + "HIH", 42, 8, 1) + entry + bytes(4)


def png_chunk(kind: bytes, content: bytes) -> bytes:
    """A PNG chunk with its length and checksum."""
    checksum = zlib.crc32(kind + content)
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)


def png(
    size: tuple[int, int],
    bit_depth: int,
    colour_type: int,
    rows: list[bytes],
    *,
    before: bytes = b"",
    after: bytes = b"",
    interlaced: bool = False,
) -> bytes:
    """A PNG file.

    Args:
        size: Height and width as the header claims them.
        bit_depth: Bits a sample.
        colour_type: 0 grey, 2 RGB, 3 palette, 4 grey and alpha, 6 RGB and alpha.
        rows: Packed samples of each scanline.
        before: Chunks before the pixels.
        after: Chunks after the pixels.
        interlaced: Whether the scanlines are those of Adam7's passes.
    """
    height, width = size
    header = struct.pack(">IIBBBBB", width, height, bit_depth, colour_type, 0, 0, interlaced)
    pixels = zlib.compress(b"".join(b"\0" + row for row in rows))
    return (
        b"\x89PNG\r\n\x1a\n"
        + png_chunk(b"IHDR", header)
        + before
        + png_chunk(b"IDAT", pixels)
        + after
        + png_chunk(b"IEND", b"")
    )


def tiff(
    samples: NDArray[Any],
    *,
    size: tuple[int, int] | None = None,
    photometric: int = 2,
    extra: int | None = None,
    tile: tuple[int, int] | None = None,
    planes_apart: bool = False,
    more: Sequence[tuple[int, int, int | bytes | list[int]]] = (),
) -> bytes:
    """An uncompressed TIFF file of one strip, in the byte order of its samples.

    Args:
        samples: Of shape [height, width, samples a pixel].
        size: Height and width that its header claims, if not those.
        photometric: 0 white is zero, 1 black is zero, 2 RGB.
        extra: What a fourth sample means: 1 premultiplied alpha, 2 alpha.
        tile: Height and width of tiles, for the header only.
        planes_apart: Whether each sample has a strip of its own.
        more: Further entries: tag, type, and value.
    """
    order = ">" if samples.dtype.byteorder == ">" else "<"
    height, width = size or samples.shape[:2]
    planes = samples.shape[2]
    strips = planes if planes_apart else 1
    size_of_strip = samples.nbytes // strips
    sample_format = {"u": 1, "i": 2, "f": 3}[samples.dtype.kind]
    tags: list[tuple[int, int, Any]] = [
        (256, 4, width),
        (257, 4, height),
        (258, 3, [8 * samples.itemsize] * planes),
        (259, 3, 1),
        (262, 3, photometric),
        (273, 4, [8 + plane * size_of_strip for plane in range(strips)]),
        (277, 3, planes),
        (278, 4, height),
        (279, 4, [size_of_strip] * strips),
        (284, 3, 1 + planes_apart),
        *([(322, 4, tile[1]), (323, 4, tile[0])] if tile else []),
        *([(338, 3, extra)] if extra is not None else []),
        (339, 3, [sample_format] * planes),
        *more,
    ]
    pixels = (samples.transpose(2, 0, 1) if planes_apart else samples).tobytes()
    pixels += bytes(len(pixels) % 2)
    overflow = b""
    entries = b""
    values_begin = 8 + len(pixels)
    for tag, kind, value in sorted(tags, key=lambda entry: entry[0]):
        values = value if isinstance(value, list | bytes) else [value]
        code = {3: "H", 4: "I"}.get(kind, "B")
        packed = struct.pack(order + code * len(values), *values)
        if len(packed) > 4:
            overflow += packed
            packed = struct.pack(order + "I", values_begin + len(overflow) - len(packed))
        entries += struct.pack(order + "HHI", tag, kind, len(values)) + packed.ljust(4, b"\0")
    directory = values_begin + len(overflow)
    mark = b"II" if order == "<" else b"MM"
    header = mark + struct.pack(order + "HI", 42, directory)
    return header + pixels + overflow + struct.pack(order + "H", len(tags)) + entries + bytes(4)


def webp(*chunks: tuple[bytes, bytes]) -> bytes:
    """A WebP file of the given chunks."""
    body = b"WEBP" + b"".join(
        kind + struct.pack("<I", len(content)) + content + bytes(len(content) % 2)
        for kind, content in chunks
    )
    return b"RIFF" + struct.pack("<I", len(body)) + body


def webp_canvas(height: int, width: int, flags: int) -> tuple[bytes, bytes]:
    """The chunk that claims a canvas; flags are 2 for an animation, 16 for alpha."""
    return b"VP8X", struct.pack("<I", flags) + _uint24(width - 1) + _uint24(height - 1)


def webp_frame(top: int, left: int, height: int, width: int, still: bytes) -> tuple[bytes, bytes]:
    """A frame of an animation, from a still file without extended header."""
    place = _uint24(left // 2) + _uint24(top // 2) + _uint24(width - 1) + _uint24(height - 1)
    return b"ANMF", place + _uint24(100) + b"\0" + still[12:]


def gif(
    screen: tuple[int, int], frame: tuple[int, int, int, int], *, transparent: int | None = None
) -> bytes:
    """A GIF file with one frame of the quadrants' colours.

    Args:
        screen: Height and width that the header claims.
        frame: Top, left, height and width that the frame claims.
        transparent: Index of the colour that stands for none.
    """
    top, left, height, width = frame
    index = (
        quadrant_indices(height, width) if height * width < 10_000 else np.zeros((1, 1), np.uint8)
    )
    palette = bytes(sample for colour in (RED, GREEN, BLUE, YELLOW) for sample in colour)
    image = Image.fromarray(index, "P")
    image.putpalette(palette)
    encoded = encode(image, "GIF", interlace=0)
    blocks = encoded.index(b",", 13 + (3 << (encoded[10] & 7) + 1))
    control = b"" if transparent is None else bytes((0x21, 0xF9, 4, 1, 0, 0, transparent, 0))
    place = struct.pack("<HHHH", left, top, width, height)
    return (
        encoded[:6]
        + struct.pack("<HH", screen[1], screen[0])
        + encoded[10:blocks]
        + control
        + b","
        + place
        + encoded[blocks + 9 :]
    )


def bmp(index: NDArray[np.uint8], pixels: bytes, *, height: int, compression: int = 0) -> bytes:
    """A BMP file of 8 bits a pixel in the quadrants' colours.

    Args:
        index: The palette indices, for their width.
        pixels: The pixel data.
        height: As the header claims it; negative if the rows begin at the top.
        compression: 0 none, 1 run lengths.
    """
    palette = b"".join(bytes((b, g, r, 0)) for r, g, b in (RED, GREEN, BLUE, YELLOW))
    info = struct.pack(
        "<IiiHHIIiiII", 40, index.shape[1], height, 1, 8, compression, len(pixels), 0, 0, 4, 0
    )
    begin = 14 + len(info) + len(palette)
    return struct.pack("<2sIII", b"BM", begin + len(pixels), 0, begin) + info + palette + pixels


def _uint24(value: int) -> bytes:
    return value.to_bytes(3, "little")


def quadrant_indices(height: int, width: int) -> NDArray[np.uint8]:
    index = np.zeros((height, width), np.uint8)
    index[: height // 2, width // 2 :] = 1
    index[height // 2 :, : width // 2] = 2
    index[height // 2 :, width // 2 :] = 3
    return index
