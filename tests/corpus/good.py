"""Files that decode, each with the picture that its format defines."""

from __future__ import annotations

import functools
import io
import struct
import zlib
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageSequence

from tests.corpus.entries import (
    ADAM7,
    BLUE,
    FULL_RANGE,
    GREEN,
    LOSSY_TOLERANCE,
    ORIENTATIONS,
    RED,
    WHITE,
    YELLOW,
    GoodFile,
)
from tests.corpus.writers import (
    bmp,
    encode,
    exif,
    gif,
    heic,
    png,
    png_chunk,
    quadrant_indices,
    quadrants,
    stored,
    tiff,
    webp,
    webp_canvas,
    webp_frame,
)


@functools.cache
def good_files() -> tuple[GoodFile, ...]:
    """Every kind of file that decodes; the largest has 64 x 300 pixels."""
    return tuple(
        entry
        for group in (
            _oriented(),
            _jpegs(),
            _pngs(),
            _deep_pngs(),
            _transparent_pngs(),
            _gifs(),
            _webps(),
            _bmps(),
            _tiffs(),
            _deep_tiffs(),
            _phones(),
            _smallest(),
        )
        for entry in group
    )


def _lossy(name: str, data: bytes, expected: NDArray[np.uint8]) -> GoodFile:
    return GoodFile(name, data, expected, LOSSY_TOLERANCE, lossy=True)


def _over_white(rgb: NDArray[np.uint8], alpha: NDArray[np.uint8]) -> NDArray[np.uint8]:
    weight = alpha[..., None] / 255
    mixed: NDArray[np.uint8] = np.rint(rgb * weight + 255 * (1 - weight)).astype(np.uint8)
    return mixed


def _grey(values: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.repeat(values[..., None], 3, axis=-1)


def _alpha_ramp(height: int, width: int) -> NDArray[np.uint8]:
    return np.tile(np.linspace(0, 255, width).astype(np.uint8), (height, 1))


def _oriented() -> Iterator[GoodFile]:
    upright = quadrants()
    for turn in ORIENTATIONS:
        kept = stored(upright, turn)
        yield _lossy(f"jpeg-orientation-{turn}.jpg", encode(kept, "JPEG", exif=exif(turn)), upright)
        yield _lossy(
            f"webp-orientation-{turn}.webp", encode(kept, "WEBP", exif=exif(turn)), upright
        )
        yield GoodFile(f"png-orientation-{turn}.png", encode(kept, "PNG", exif=exif(turn)), upright)
        for compression in ("raw", "tiff_lzw"):
            yield GoodFile(
                f"tiff-{compression}-orientation-{turn}.tif",
                encode(kept, "TIFF", tiffinfo={274: turn}, compression=compression),
                upright,
            )
    kept = stored(upright, 6)
    yield _lossy("jpeg-exif-big-endian.jpg", encode(kept, "JPEG", exif=exif(6, ">")), upright)
    yield _lossy("jpeg-orientation-9.jpg", encode(upright, "JPEG", exif=exif(9)), upright)
    yield _lossy("jpeg-exif-cut.jpg", encode(upright, "JPEG", exif=exif(6)[:20]), upright)
    rows = [row.tobytes() for row in kept]
    behind = png_chunk(b"eXIf", exif(6)[6:])
    yield GoodFile(
        "png-exif-behind-pixels.png", png(kept.shape[:2], 8, 2, rows, after=behind), upright
    )


def _jpegs() -> Iterator[GoodFile]:
    picture = quadrants()
    plain = encode(picture, "JPEG")
    yield _lossy("jpeg-progressive.jpg", encode(picture, "JPEG", progressive=True), picture)
    yield _lossy("jpeg-444.jpg", encode(picture, "JPEG", subsampling=0), picture)
    yield _lossy("jpeg-rgb.jpg", encode(picture, "JPEG", keep_rgb=True), picture)
    yield _lossy("jpeg-restarts.jpg", encode(picture, "JPEG", restart_marker_blocks=1), picture)
    yield _lossy("jpeg-trailing-bytes.jpg", plain + plain[:-2] + b"rest", picture)
    future = plain.replace(b"JFIF\0\x01", b"JFIF\0\x03", 1)
    yield _lossy("jpeg-unknown-jfif-revision.jpg", future, picture)
    spectral_end = plain.index(b"\xff\xda") + 12
    progressive_scan = plain[:spectral_end] + b"\0" + plain[spectral_end + 1 :]
    yield _lossy("jpeg-odd-scan-parameters.jpg", progressive_scan, picture)
    grey = np.asarray(Image.fromarray(picture).convert("L"))
    yield _lossy("jpeg-grey.jpg", encode(grey, "JPEG"), _grey(grey))
    yield _lossy("jpeg-410.jpg", _flat_jpeg_410(), np.full((32, 64, 3), 128, np.uint8))

    ink = np.dstack([255 - picture, np.full(picture.shape[:2], 60, np.uint8)])
    printed = np.rint(picture * (195 / 255)).astype(np.uint8)
    cmyk = encode(Image.fromarray(ink, "CMYK"), "JPEG", quality=95)
    assert b"Adobe" in cmyk
    yield _lossy("jpeg-cmyk.jpg", cmyk, printed)
    # Pillow stores 255 minus what it is given and converts nothing, so these are Y, Cb, Cr and K:
    # by the Adobe convention of 255 minus the ink, so of the picture's negative.
    ycc = np.asarray(Image.fromarray(255 - picture).convert("YCbCr"))
    ycck = np.dstack([255 - ycc, np.full(picture.shape[:2], 60, np.uint8)])
    data = bytearray(encode(Image.fromarray(ycck, "CMYK"), "JPEG", quality=95))
    data[data.index(b"Adobe") + 11] = 2
    yield _lossy("jpeg-ycck.jpg", bytes(data), printed)


def _flat_jpeg_410() -> bytes:
    """A grey of 128 with the chroma of 4 x 2 pixels in one sample, which only few decoders read."""
    head = encode(np.full((32, 64, 3), 128, np.uint8), "JPEG", subsampling=0)
    data = bytearray(head[: head.index(b"\xff\xda")])
    sampling = data.index(b"\xff\xc0") + 11
    data[sampling] = 0x42
    scan = head[head.index(b"\xff\xda") :][:14]
    # A block without difference or coefficients is 00 1010 in luma, 00 00 in chroma (annex K.3).
    bits = ("001010" * 8 + "0000" * 2) * 8
    bits += "1" * (-len(bits) % 8)
    coded = int(bits, 2).to_bytes(len(bits) // 8, "big")
    return bytes(data) + scan + coded.replace(b"\xff", b"\xff\0") + b"\xff\xd9"


def _pngs() -> Iterator[GoodFile]:
    picture = quadrants()
    height, width = picture.shape[:2]
    rows = [row.tobytes() for row in picture]
    yield GoodFile("png-rgb.png", encode(picture, "PNG"), picture)
    yield GoodFile("png-palette.png", encode(Image.fromarray(picture).quantize(4), "PNG"), picture)
    grey = np.asarray(Image.fromarray(picture).convert("L"))
    yield GoodFile("png-grey.png", encode(grey, "PNG"), _grey(grey))
    black_white = np.indices((height, width)).sum(0) % 3 == 0
    yield GoodFile(
        "png-1-bit.png", encode(black_white, "PNG"), _grey(black_white.astype(np.uint8) * 255)
    )
    passes = [
        np.ascontiguousarray(picture[y, x::dx]).tobytes()
        for top, x, dy, dx in ADAM7
        for y in range(top, height, dy)
    ]
    yield GoodFile(
        "png-interlaced.png", png((height, width), 8, 2, passes, interlaced=True), picture
    )
    frames = [Image.fromarray(picture[:, ::-1]), Image.fromarray(picture[::-1])]
    first = Image.fromarray(picture)
    animated = encode(first, "PNG", save_all=True, append_images=frames)
    yield GoodFile("png-animated.png", animated, picture)
    apart = encode(first, "PNG", save_all=True, append_images=frames, default_image=True)
    yield GoodFile("png-animated-default-image.png", apart, picture)
    bomb = zlib.compress(bytes(1 << 27), 9)
    text = png_chunk(b"zTXt", b"Comment\0\0" + bomb)
    text += png_chunk(b"iTXt", b"Comment\0\1\0\0\0" + bomb)
    profile = png_chunk(b"iCCP", b"profile\0\0" + bomb)
    yield GoodFile(
        "png-text-bombs.png", png((height, width), 8, 2, rows, before=text + profile), picture
    )


def _deep_pngs() -> Iterator[GoodFile]:
    grey = np.tile(np.array(FULL_RANGE, ">u2"), (3, 1))
    rgb = np.stack([grey, grey[:, ::-1], np.full_like(grey, 32768)], axis=-1)
    opaque = np.full_like(grey, 65535)
    shown = (grey >> 8).astype(np.uint8)
    colours = (rgb >> 8).astype(np.uint8)
    size = grey.shape
    for name, colour_type, samples, expected in (
        ("grey", 0, grey[..., None], _grey(shown)),
        ("rgb", 2, rgb, colours),
        ("la", 4, np.stack([grey, opaque], -1), _grey(shown)),
        ("rgba", 6, np.dstack([rgb, opaque]), colours),
    ):
        rows = [row.astype(">u2").tobytes() for row in samples]
        yield GoodFile(f"png-16-bit-{name}.png", png(size, 16, colour_type, rows), expected)
    for name, key, colour_type, samples, expected in (
        ("grey", (256,), 0, grey[..., None], _grey(shown)),
        ("rgb", tuple(int(sample) for sample in rgb[0, 3]), 2, rgb, colours),
    ):
        hidden = expected.copy()
        hidden[:, 3] = 255
        rows = [row.astype(">u2").tobytes() for row in samples]
        if name == "grey":
            assert FULL_RANGE[3] == key[0]
        transparent = png_chunk(b"tRNS", struct.pack(f">{len(key)}H", *key))
        yield GoodFile(
            f"png-16-bit-{name}-transparent-colour.png",
            png(size, 16, colour_type, rows, before=transparent),
            hidden,
        )
    half = np.dstack([rgb, np.full_like(grey, 32896)])
    rows = [row.astype(">u2").tobytes() for row in half]
    veiled = _over_white(colours, np.full(size, 128, np.uint8))
    yield GoodFile("png-16-bit-rgba-half.png", png(size, 16, 6, rows), veiled, tolerance=1)


def _transparent_pngs() -> Iterator[GoodFile]:
    picture = quadrants()
    height, width = size = picture.shape[:2]
    alpha = _alpha_ramp(height, width)
    grey = np.asarray(Image.fromarray(picture).convert("L"))
    yield GoodFile(
        "png-rgba.png", encode(np.dstack([picture, alpha]), "PNG"), _over_white(picture, alpha), 1
    )
    la = Image.merge("LA", (Image.fromarray(grey), Image.fromarray(alpha)))
    yield GoodFile("png-la.png", encode(la, "PNG"), _over_white(_grey(grey), alpha), 1)

    index = quadrant_indices(height, width)
    palette = png_chunk(b"PLTE", bytes((*RED, *GREEN, *BLUE, *YELLOW)))
    rows = [row.tobytes() for row in index]
    for name, alphas in (("one", b"\xff\0"), ("graded", b"\x80\0\x40")):
        veil = np.array([*alphas, *[255] * (4 - len(alphas))], np.uint8)[index]
        yield GoodFile(
            f"png-palette-{name}-transparent.png",
            png(size, 8, 3, rows, before=palette + png_chunk(b"tRNS", alphas)),
            _over_white(picture, veil),
            1,
        )
    hidden = picture.copy()
    hidden[: height // 2, : width // 2] = WHITE
    key = png_chunk(b"tRNS", struct.pack(">HHH", *RED))
    rows = [row.tobytes() for row in picture]
    yield GoodFile("png-transparent-colour.png", png(size, 8, 2, rows, before=key), hidden)
    for depth in (1, 2, 4):
        shades = np.arange(1 << depth, dtype=np.uint8)
        packed = np.packbits(
            np.unpackbits(shades[:, None], axis=1)[:, 8 - depth :].reshape(-1)
        ).tobytes()
        expected = _grey((shades.astype(int) * 255 // ((1 << depth) - 1)).astype(np.uint8))[None]
        expected[0, 1] = WHITE
        yield GoodFile(
            f"png-{depth}-bit-transparent-shade.png",
            png((1, 1 << depth), depth, 0, [packed], before=png_chunk(b"tRNS", b"\0\1")),
            expected,
        )


def _gifs() -> Iterator[GoodFile]:
    picture = quadrants()
    paletted = Image.fromarray(picture).quantize(4)
    yield GoodFile("gif-interlaced.gif", encode(paletted, "GIF", interlace=1), picture)
    others = [Image.fromarray(picture[::-1]).quantize(4)]
    animated = encode(paletted, "GIF", save_all=True, append_images=others, comment=b"x" * 700)
    assert sum(1 for _ in ImageSequence.Iterator(Image.open(io.BytesIO(animated)))) == 2
    yield GoodFile("gif-animated.gif", animated, picture)
    hidden = picture.copy()
    hidden[16:, 32:] = WHITE
    yield GoodFile("gif-transparent.gif", gif((32, 64), (0, 0, 32, 64), transparent=3), hidden)
    framed = np.full((50, 90, 3), 255, np.uint8)
    framed[10:42, 6:70] = picture
    yield GoodFile("gif-frame-inside-screen.gif", gif((50, 90), (10, 6, 32, 64)), framed)
    yield GoodFile("gif-frame-beyond-screen.gif", gif((5, 7), (10, 6, 32, 64)), framed[:42, :70])


def _webps() -> Iterator[GoodFile]:
    picture = quadrants()
    alpha = _alpha_ramp(*picture.shape[:2])
    rgba = np.dstack([picture, alpha])
    lossless = encode(picture, "WEBP", lossless=True)
    yield _lossy("webp-lossy.webp", encode(picture, "WEBP"), picture)
    yield GoodFile("webp-lossless.webp", lossless, picture)
    yield GoodFile(
        "webp-rgba.webp",
        encode(rgba, "WEBP", lossless=True, exact=True),
        _over_white(picture, alpha),
        1,
    )
    veiled = encode(rgba, "WEBP", quality=95)
    yield _lossy("webp-lossy-rgba.webp", veiled, _over_white(picture, alpha))
    others = [Image.fromarray(picture[::-1])]
    animated = encode(picture, "WEBP", save_all=True, append_images=others, lossless=True)
    assert b"ANMF" in animated
    yield GoodFile("webp-animated.webp", animated, picture)
    framed = np.full((50, 90, 3), 255, np.uint8)
    framed[10:42, 6:70] = picture
    placed = webp(webp_canvas(50, 90, 2), (b"ANIM", bytes(6)), webp_frame(10, 6, 32, 64, lossless))
    yield GoodFile("webp-frame-inside-canvas.webp", placed, framed)


def _bmps() -> Iterator[GoodFile]:
    picture = quadrants()
    index = quadrant_indices(32, 64)
    yield GoodFile("bmp-rgb.bmp", encode(picture, "BMP"), picture)
    yield GoodFile("bmp-32-bit.bmp", encode(np.dstack([picture, picture[..., 0]]), "BMP"), picture)
    yield GoodFile("bmp-palette.bmp", encode(Image.fromarray(picture).quantize(4), "BMP"), picture)
    yield GoodFile("bmp-top-down.bmp", bmp(index, index.tobytes(), height=-32), picture)
    runs = b"".join(bytes((32, row[0], 32, row[32], 0, 0)) for row in index[::-1]) + b"\0\1"
    yield GoodFile("bmp-run-lengths.bmp", bmp(index, runs, height=32, compression=1), picture)
    grey = np.asarray(Image.fromarray(picture).convert("L"))
    yield GoodFile("bmp-grey.bmp", encode(grey, "BMP"), _grey(grey))
    black_white = np.indices((32, 64)).sum(0) % 3 == 0
    yield GoodFile(
        "bmp-1-bit.bmp", encode(black_white, "BMP"), _grey(black_white.astype(np.uint8) * 255)
    )


def _tiffs() -> Iterator[GoodFile]:
    picture = quadrants()
    for compression in ("packbits", "tiff_adobe_deflate", "tiff_lzw"):
        data = encode(picture, "TIFF", compression=compression)
        yield GoodFile(f"tiff-{compression}.tif", data, picture)
    yield _lossy("tiff-jpeg.tif", encode(picture, "TIFF", compression="jpeg", quality=95), picture)
    yield GoodFile("tiff-big.tif", encode(picture, "TIFF", big_tiff=True), picture)
    yield GoodFile("tiff-big-endian.tif", tiff(picture.astype(">u1")), picture)
    others = [Image.fromarray(picture[::-1, :40])]
    pages = encode(picture, "TIFF", save_all=True, append_images=others)
    yield GoodFile("tiff-pages.tif", pages, picture)
    alpha = _alpha_ramp(*picture.shape[:2])
    rgba = np.dstack([picture, alpha])
    yield GoodFile("tiff-rgba.tif", tiff(rgba, extra=2), _over_white(picture, alpha), 1)
    ink = np.dstack([255 - picture, np.full(picture.shape[:2], 60, np.uint8)])
    printed = np.rint(picture * (195 / 255)).astype(np.uint8)
    yield GoodFile("tiff-cmyk.tif", encode(Image.fromarray(ink, "CMYK"), "TIFF"), printed, 1)
    yield GoodFile(
        "tiff-palette.tif", encode(Image.fromarray(picture).quantize(4), "TIFF"), picture
    )
    black_white = np.indices((32, 64)).sum(0) % 3 == 0
    fax = encode(black_white, "TIFF", compression="group4")
    yield GoodFile("tiff-1-bit.tif", fax, _grey(black_white.astype(np.uint8) * 255))


def _deep_tiffs() -> Iterator[GoodFile]:
    grey = np.tile(np.array(FULL_RANGE, np.uint16), (3, 1))
    rgb = np.stack([grey, grey[:, ::-1], np.full_like(grey, 32768)], axis=-1)
    rgba = np.dstack([rgb, np.full_like(grey, 65535)])
    shown, colours = _grey((grey >> 8).astype(np.uint8)), (rgb >> 8).astype(np.uint8)
    for order, name in (("<u2", "little-endian"), (">u2", "big-endian")):
        ends = grey.astype(order)[..., None]
        yield GoodFile(f"tiff-16-bit-grey-{name}.tif", tiff(ends, photometric=1), shown)
        yield GoodFile(f"tiff-16-bit-rgb-{name}.tif", tiff(rgb.astype(order)), colours)
        yield GoodFile(f"tiff-16-bit-rgba-{name}.tif", tiff(rgba.astype(order), extra=2), colours)
        apart = tiff(rgb.astype(order), planes_apart=True)
        yield GoodFile(f"tiff-16-bit-planes-apart-{name}.tif", apart, colours)
    white_is_zero = tiff(65535 - grey[..., None], photometric=0)
    yield GoodFile("tiff-16-bit-white-is-zero.tif", white_is_zero, shown)
    packed = encode(Image.fromarray(grey), "TIFF", compression="tiff_lzw")
    yield GoodFile("tiff-16-bit-grey-lzw.tif", packed, shown)


def _phones() -> Iterator[GoodFile]:
    picture = quadrants()
    alpha = _alpha_ramp(*picture.shape[:2])
    veiled = _over_white(picture, alpha)
    rgba = np.dstack([picture, alpha])
    yield _lossy("heic-rgb.heic", heic(picture), picture)
    yield _lossy("heic-rgba.heic", heic(rgba), veiled)
    yield _lossy("avif-rgb.avif", encode(picture, "AVIF", quality=90), picture)
    yield _lossy("avif-rgba.avif", encode(rgba, "AVIF", quality=90), veiled)
    grey = np.asarray(Image.fromarray(picture).convert("L"))
    yield _lossy("heic-grey.heic", heic(grey, chroma=420), _grey(grey))
    yield _lossy("avif-grey.avif", encode(grey, "AVIF", quality=90), _grey(grey))
    others = [Image.fromarray(picture[::-1])]
    animated = encode(picture, "AVIF", quality=90, save_all=True, append_images=others)
    yield _lossy("avif-animated.avif", animated, picture)
    for turn in ORIENTATIONS:
        kept = stored(picture, turn)
        yield _lossy(f"heic-turn-{turn}.heic", heic(kept, exif=exif(turn)), picture)
        avif = encode(kept, "AVIF", quality=90, exif=exif(turn))
        yield _lossy(f"avif-turn-{turn}.avif", avif, picture)


def _smallest() -> Iterator[GoodFile]:
    for height, width in ((1, 1), (1, 300), (300, 1), (2, 3)):
        picture = np.full((height, width, 3), BLUE, np.uint8)
        for image_format, suffix in (
            ("JPEG", "jpg"),
            ("PNG", "png"),
            ("WEBP", "webp"),
            ("GIF", "gif"),
            ("BMP", "bmp"),
            ("TIFF", "tif"),
        ):
            yield _lossy(
                f"{image_format.lower()}-{height}x{width}.{suffix}",
                encode(picture, image_format),
                picture,
            )
