"""Files that fail, in every way that decoding can fail."""

from __future__ import annotations

import functools
import struct
from collections.abc import Iterator

import numpy as np
from PIL import Image

from beam_deeplab.transforms.records import FailureCode
from tests.corpus.entries import HUGE_SIDE, BadFile
from tests.corpus.writers import (
    bmp,
    encode,
    gif,
    png,
    quadrants,
    texture,
    tiff,
    webp,
    webp_canvas,
    webp_frame,
)


@functools.cache
def bad_files() -> tuple[BadFile, ...]:
    """Files that fail in every way that decoding can fail."""
    return tuple(
        entry
        for group in (_foreign(), _truncated(), _damaged(), _enormous(), _unsupported())
        for entry in group
    )


def _textured() -> dict[str, bytes]:
    picture = texture()
    paletted = Image.fromarray(picture).quantize(64)
    return {
        "jpeg.jpg": encode(picture, "JPEG", quality=95),
        "progressive.jpg": encode(picture, "JPEG", quality=95, progressive=True),
        "png.png": encode(picture, "PNG"),
        "webp.webp": encode(picture, "WEBP"),
        "lossless.webp": encode(picture, "WEBP", lossless=True),
        "gif.gif": encode(paletted, "GIF"),
        "bmp.bmp": encode(picture, "BMP"),
        "raw.tif": encode(picture, "TIFF"),
        "lzw.tif": encode(picture, "TIFF", compression="tiff_lzw"),
        "deflate.tif": encode(picture, "TIFF", compression="tiff_adobe_deflate"),
    }


def _foreign() -> Iterator[BadFile]:
    unsupported = FailureCode.UNSUPPORTED_FORMAT
    yield BadFile("empty.jpg", b"", FailureCode.EMPTY)
    yield BadFile("text.jpg", b"not a picture at all\n" * 40, unsupported)
    yield BadFile(
        "text-bm.bmp", b"BMW is a maker of cars, and this is a text about them.", unsupported
    )
    yield BadFile(
        "page.png", b"<!DOCTYPE html><html><body>404 Not Found</body></html>", unsupported
    )
    yield BadFile("document.jpg", b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n", unsupported)
    yield BadFile("archive.jpg", b"PK\x03\x04" + bytes(60), unsupported)
    yield BadFile("sound.webp", b"RIFF\x24\0\0\0WAVEfmt " + bytes(40), unsupported)
    yield BadFile("film.mp4", b"\0\0\0\x18ftypisom" + bytes(60), unsupported)
    yield BadFile("zeros.jpg", bytes(1000), unsupported)


def _truncated() -> Iterator[BadFile]:
    for name, data in _textured().items():
        for percent in (10, 50, 95):
            cut = data[: len(data) * percent // 100]
            yield BadFile(f"cut-to-{percent}-percent-{name}", cut, FailureCode.CORRUPT)
    jpeg = encode(quadrants(), "JPEG")
    yield BadFile("jpeg-start-only.jpg", jpeg[:2], FailureCode.CORRUPT)
    yield BadFile("jpeg-without-end.jpg", jpeg[:-2], FailureCode.CORRUPT)
    yield BadFile("png-without-end.png", encode(quadrants(), "PNG")[:-12], FailureCode.CORRUPT)
    still = encode(quadrants(), "WEBP", lossless=True)
    canvas, loop = webp_canvas(32, 64, 2), (b"ANIM", bytes(6))
    yield BadFile("webp-without-frame.webp", webp(canvas, loop), FailureCode.CORRUPT)
    beyond = webp(canvas, loop, webp_frame(10, 6, 32, 64, still))
    yield BadFile("webp-frame-beyond-canvas.webp", beyond, FailureCode.CORRUPT)
    for brand in ("heic", "avif"):
        box = b"\0\0\0\x18ftyp" + brand.encode() + bytes(4)
        yield BadFile(f"without-boxes.{brand}", box + bytes(60), FailureCode.CORRUPT)
    yield BadFile(
        "gif-without-frame.gif", gif((9, 9), (0, 0, 9, 9))[:13] + b";", FailureCode.CORRUPT
    )


def _damaged() -> Iterator[BadFile]:
    textured = _textured()
    for name in ("jpeg.jpg", "progressive.jpg"):
        data = bytearray(textured[name])
        middle = len(data) // 2
        data[middle : middle + 1000] = np.random.default_rng(0).bytes(1000)
        yield BadFile(f"overwritten-{name}", bytes(data), FailureCode.CORRUPT)
        zeroed = textured[name][:middle] + bytes(1000) + textured[name][middle + 1000 :]
        yield BadFile(f"zeroed-{name}", zeroed, FailureCode.CORRUPT)
        cut_out = textured[name][:middle] + textured[name][middle + 1000 :]
        yield BadFile(f"cut-out-{name}", cut_out, FailureCode.CORRUPT)
    flipped = bytearray(textured["png.png"])
    flipped[len(flipped) // 2] ^= 1
    yield BadFile("flipped-png.png", bytes(flipped), FailureCode.CORRUPT)
    yield BadFile("png-without-area.png", png((0, 64), 8, 2, []), FailureCode.CORRUPT)
    scan = encode(quadrants(), "JPEG", progressive=True)
    begin, end = (_nth(scan, b"\xff\xda", n) for n in (2, 3))
    many = scan[:begin] + scan[begin:end] * 600 + scan[end:]
    yield BadFile("jpeg-600-scans.jpg", many, FailureCode.CORRUPT)


def _nth(data: bytes, pattern: bytes, n: int) -> int:
    position = -1
    for _ in range(n):
        position = data.index(pattern, position + 1)
    return position


def _enormous() -> Iterator[BadFile]:
    too_large = FailureCode.TOO_LARGE
    side = HUGE_SIDE
    jpeg = bytearray(encode(quadrants(), "JPEG"))
    begin = jpeg.index(b"\xff\xc0") + 5
    jpeg[begin : begin + 4] = b"\xff\xff\xff\xff"
    yield BadFile("enormous.jpg", bytes(jpeg), too_large)
    enormous_png = png((side, side), 8, 2, [bytes(300)])
    yield BadFile("enormous.png", enormous_png, too_large)
    yield BadFile("enormous-header-only.png", enormous_png[:33], too_large)
    still = encode(quadrants(), "WEBP", lossless=True)
    yield BadFile(
        "enormous.webp", webp(webp_canvas(side, side, 0), (b"VP8L", still[20:])), too_large
    )
    canvas, loop = webp_canvas(side, side, 2), (b"ANIM", bytes(6))
    frame = webp_frame(0, 0, 32, 64, still)
    yield BadFile("enormous-animated.webp", webp(canvas, loop, frame), too_large)
    yield BadFile("enormous.gif", gif((65535, 65535), (0, 0, 32, 64)), too_large)
    yield BadFile("enormous-frame.gif", gif((32, 64), (0, 0, 65535, 65535)), too_large)
    pixel = np.zeros((1, 1), np.uint8)
    wide = bytearray(bmp(pixel, bytes(4), height=side))
    wide[18:22] = struct.pack("<i", side)
    yield BadFile("enormous.bmp", bytes(wide), too_large)
    dot = np.zeros((1, 1, 3), np.uint8)
    yield BadFile("enormous.tif", tiff(dot, size=(side, side)), too_large)
    yield BadFile("enormous-tile.tif", tiff(dot, tile=(side, side)), too_large)
    yield BadFile("enormous-side.png", png((1, 200_000_000), 1, 0, [bytes(9)]), too_large)


def _unsupported() -> Iterator[BadFile]:
    unsupported = FailureCode.UNSUPPORTED_FORMAT
    twelve = bytearray(encode(quadrants(), "JPEG"))
    twelve[twelve.index(b"\xff\xc0") + 4] = 12
    yield BadFile("jpeg-12-bit.jpg", bytes(twelve), unsupported)
    lossless = bytearray(encode(quadrants(), "JPEG"))
    lossless[lossless.index(b"\xff\xc0") + 1] = 0xC3
    yield BadFile("jpeg-lossless.jpg", bytes(lossless), unsupported)
    for kind in ("<f4", "<i4", "<i2", "<f8"):
        grey = np.linspace(0, 1, 12).reshape(3, 4, 1).astype(kind)
        yield BadFile(f"tiff-{grey.dtype}.tif", tiff(grey, photometric=1), unsupported)
