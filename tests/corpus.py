"""Good and broken image files with what a decoder must make of them.

The expectations are computed from the formats' own definitions, not with the code under test. Small
containers that Pillow does not write (16-bit samples, interlaced PNG, odd headers) are put together
here byte by byte.
"""

from __future__ import annotations

import functools
import io
import struct
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, ImageSequence

from transforms.records import FailureCode

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

RED, GREEN, BLUE, YELLOW = (220, 30, 30), (30, 200, 40), (40, 60, 210), (230, 220, 40)
WHITE = (255, 255, 255)
LOSSY_TOLERANCE = 12
ORIENTATIONS = range(1, 9)
HUGE_SIDE = 100_000

# Exif 2.32, 4.6.4.A: which side of the upright picture the stored row 0 and column 0 are.
_FIRST_ROW_AND_COLUMN = {
    1: ("top", "left"),
    2: ("top", "right"),
    3: ("bottom", "right"),
    4: ("bottom", "left"),
    5: ("left", "top"),
    6: ("right", "top"),
    7: ("right", "bottom"),
    8: ("left", "bottom"),
}
_ADAM7 = (
    (0, 0, 8, 8),
    (0, 4, 8, 8),
    (4, 0, 8, 4),
    (0, 2, 4, 4),
    (2, 0, 4, 2),
    (0, 1, 2, 2),
    (1, 0, 2, 1),
)
_FULL_RANGE = (0, 1, 255, 256, 257, 4095, 32767, 32768, 65279, 65280, 65534, 65535)


@dataclass(frozen=True)
class GoodFile:
    """A file that decodes.

    Attributes:
        name: File name, unique in the corpus.
        data: Content.
        expected: uint8 RGB of shape [height, width, 3]: the upright picture.
        tolerance: How far a sample may be off.
        lossy: Whether to compare in the middle of the four quadrants only.
    """

    name: str
    data: bytes
    expected: NDArray[np.uint8]
    tolerance: int = 0
    lossy: bool = False

    def assert_shown_by(self, pixels: NDArray[np.uint8]) -> None:
        """Fail unless the pixels are the expected picture."""
        assert pixels.shape == self.expected.shape, self.name
        height, width = pixels.shape[:2]
        rows, columns = (
            ([height // 4, 3 * height // 4], [width // 4, 3 * width // 4])
            if self.lossy
            else (range(height), range(width))
        )
        got = pixels[np.ix_(rows, columns)].astype(int)
        error = np.abs(got - self.expected[np.ix_(rows, columns)]).max()
        assert error <= self.tolerance, f"{self.name} is off by {error}"


@dataclass(frozen=True)
class BadFile:
    """A file from which there is no picture to be had.

    Attributes:
        name: File name, unique in the corpus.
        data: Content.
        code: What it fails with.
    """

    name: str
    data: bytes
    code: FailureCode


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
            _smallest(),
        )
        for entry in group
    )


@functools.cache
def bad_files() -> tuple[BadFile, ...]:
    """Files that fail in every way that decoding can fail."""
    return tuple(
        entry
        for group in (_foreign(), _truncated(), _damaged(), _enormous(), _unsupported())
        for entry in group
    )


def write_corpus(folder: Path) -> None:
    """Write every file of the corpus into a folder."""
    files = {entry.name: entry.data for entry in good_files()}
    files |= {entry.name: entry.data for entry in bad_files()}
    for name, data in files.items():
        (folder / name).write_bytes(data)


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


def stored(upright: NDArray[np.uint8], orientation: int) -> NDArray[np.uint8]:
    """A picture as a camera stores it that was held according to an Exif orientation."""
    first_row, first_column = _FIRST_ROW_AND_COLUMN[orientation]
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
) -> bytes:
    """An uncompressed TIFF file of one strip, in the byte order of its samples.

    Args:
        samples: Of shape [height, width, samples a pixel].
        size: Height and width that its header claims, if not those.
        photometric: 0 white is zero, 1 black is zero, 2 RGB.
        extra: What a fourth sample means: 1 premultiplied alpha, 2 alpha.
        tile: Height and width of tiles, for the header only.
    """
    order = ">" if samples.dtype.byteorder == ">" else "<"
    height, width = size or samples.shape[:2]
    planes = samples.shape[2]
    sample_format = {"u": 1, "i": 2, "f": 3}[samples.dtype.kind]
    tags = [
        (256, 4, width),
        (257, 4, height),
        (258, 3, [8 * samples.itemsize] * planes),
        (259, 3, 1),
        (262, 3, photometric),
        (273, 4, 8),
        (277, 3, planes),
        (278, 4, height),
        (279, 4, samples.nbytes),
        *([(322, 4, tile[1]), (323, 4, tile[0])] if tile else []),
        *([(338, 3, extra)] if extra is not None else []),
        (339, 3, [sample_format] * planes),
    ]
    pixels = samples.tobytes()
    pixels += bytes(len(pixels) % 2)
    overflow = b""
    entries = b""
    values_begin = 8 + len(pixels)
    for tag, kind, value in tags:
        values = value if isinstance(value, list) else [value]
        packed = struct.pack(order + "HI"[kind == 4] * len(values), *values)
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
        _quadrant_indices(height, width) if height * width < 10_000 else np.zeros((1, 1), np.uint8)
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


def _quadrant_indices(height: int, width: int) -> NDArray[np.uint8]:
    index = np.zeros((height, width), np.uint8)
    index[: height // 2, width // 2 :] = 1
    index[height // 2 :, : width // 2] = 2
    index[height // 2 :, width // 2 :] = 3
    return index


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
        for top, x, dy, dx in _ADAM7
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
    grey = np.tile(np.array(_FULL_RANGE, ">u2"), (3, 1))
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
            assert _FULL_RANGE[3] == key[0]
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

    index = _quadrant_indices(height, width)
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
    index = _quadrant_indices(32, 64)
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
    grey = np.tile(np.array(_FULL_RANGE, np.uint16), (3, 1))
    rgb = np.stack([grey, grey[:, ::-1], np.full_like(grey, 32768)], axis=-1)
    rgba = np.dstack([rgb, np.full_like(grey, 65535)])
    shown, colours = _grey((grey >> 8).astype(np.uint8)), (rgb >> 8).astype(np.uint8)
    for order, name in (("<u2", "little-endian"), (">u2", "big-endian")):
        ends = grey.astype(order)[..., None]
        yield GoodFile(f"tiff-16-bit-grey-{name}.tif", tiff(ends, photometric=1), shown)
        yield GoodFile(f"tiff-16-bit-rgb-{name}.tif", tiff(rgb.astype(order)), colours)
        yield GoodFile(f"tiff-16-bit-rgba-{name}.tif", tiff(rgba.astype(order), extra=2), colours)
    white_is_zero = tiff(65535 - grey[..., None], photometric=0)
    yield GoodFile("tiff-16-bit-white-is-zero.tif", white_is_zero, shown)
    packed = encode(Image.fromarray(grey), "TIFF", compression="tiff_lzw")
    yield GoodFile("tiff-16-bit-grey-lzw.tif", packed, shown)


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
    yield BadFile("photo.heic", b"\0\0\0\x18ftypheic" + bytes(60), unsupported)
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
