"""The orientation must be found wherever Pillow's ``exif_transpose`` and its like find it."""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image, ImageOps

from beam_deeplab.transforms.decoding.codecs import read_header
from beam_deeplab.transforms.decoding.decode import decode
from beam_deeplab.transforms.decoding.orientation import stored_orientation
from beam_deeplab.transforms.geometry import Canvas
from tests import corpus
from tests.corpus.writers import png_chunk, webp, webp_canvas

PICTURE = corpus.quadrants()
ROWS = [row.tobytes() for row in PICTURE]


def attribute(turn: int) -> bytes:
    return b'<rdf:Description tiff:Orientation="%d"/>' % turn


def element(turn: int) -> bytes:
    return b"<rdf:li><tiff:Orientation>%d</tiff:Orientation></rdf:li>" % turn


def jpeg_with(*blocks: bytes) -> bytes:
    data = corpus.encode(PICTURE, "JPEG")
    segments = b"".join(b"\xff\xe1" + struct.pack(">H", len(each) + 2) + each for each in blocks)
    return data[:2] + segments + data[2:]


def png_with(chunk: bytes) -> bytes:
    return corpus.png(PICTURE.shape[:2], 8, 2, ROWS, before=chunk)


def in_jpeg(xmp: bytes) -> bytes:
    return jpeg_with(b"http://ns.adobe.com/xap/1.0/\0" + xmp)


def in_png(xmp: bytes) -> bytes:
    return png_with(png_chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + xmp))


def packed_in_png(xmp: bytes) -> bytes:
    text = b"XML:com.adobe.xmp\0\1\0en\0word\0" + zlib.compress(xmp)
    return png_with(png_chunk(b"iTXt", text))


def in_webp(xmp: bytes) -> bytes:
    still = corpus.encode(PICTURE, "WEBP", lossless=True)
    return webp(webp_canvas(32, 64, 4), (b"VP8L", still[20:]), (b"XMP ", xmp))


def in_tiff(xmp: bytes) -> bytes:
    return corpus.tiff(PICTURE, more=[(700, 1, xmp)])


CONTAINERS = (in_jpeg, in_png, packed_in_png, in_webp, in_tiff)


@pytest.mark.parametrize("container", CONTAINERS, ids=lambda each: each.__name__)
@pytest.mark.parametrize("form", [attribute, element], ids=lambda each: each.__name__)
@pytest.mark.parametrize("turn", [3, 6])
def test_xmp_turns_where_there_is_no_exif(
    container: Callable[[bytes], bytes], form: Callable[[int], bytes], turn: int
) -> None:
    data = container(form(turn))
    assert decode(data, Canvas(513, 513)).original.orientation == turn
    opened = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
    shown = decode(data, Canvas(513, 513)).pixels
    np.testing.assert_array_equal(shown, np.asarray(opened))


def profile(kind: bytes, content: bytes, chunk: bytes) -> bytes:
    digits = content.hex().encode()
    lines = b"\n".join(digits[at : at + 72] for at in range(0, len(digits), 72))
    text = b"\n%s\n%8d\n%s\n" % (kind, len(content), lines)
    keyword = b"Raw profile type " + kind + b"\0"
    return png_chunk(chunk, keyword + (b"\0" + zlib.compress(text) if chunk == b"zTXt" else text))


@pytest.mark.parametrize("chunk", [b"tEXt", b"zTXt"])
@pytest.mark.parametrize(
    ("kind", "content"),
    [
        (b"exif", corpus.exif(6)),
        (b"APP1", corpus.exif(6)),
        (b"APP1", b"http://ns.adobe.com/xap/1.0/\0" + attribute(6)),
        (b"xmp", attribute(6)),
    ],
)
def test_raw_profiles_of_imagemagick_turn(kind: bytes, content: bytes, chunk: bytes) -> None:
    assert read_header(png_with(profile(kind, content, chunk))).orientation == 6


def entry(tag: int, value: int, kind: int = 3) -> bytes:
    return struct.pack("<HHIHxx" if kind == 3 else "<HHII", tag, kind, 1, value)


def directory(count: int, *entries: bytes) -> bytes:
    return b"II*\0" + struct.pack("<IH", 8, count) + b"".join(entries)


ORIENTED = entry(274, 6)


@pytest.mark.parametrize(
    "exif",
    [
        directory(9, ORIENTED),
        directory(9, entry(271, 1), ORIENTED, b"\x0f\x01\2"),
        directory(1, ORIENTED),
        directory(2, struct.pack("<HHII", 37500, 99, 1, 0), ORIENTED) + bytes(4),
        directory(1, entry(274, 6, 4)) + bytes(4),
        directory(1, ORIENTED) + struct.pack("<I", 0xFFFFFF),
        b"Exif\0\0" + directory(1, ORIENTED),
    ],
    ids=["cut", "cut later", "no end", "odd type", "long", "next", "prefix twice"],
)
def test_damaged_directories_are_read_as_far_as_pillow_reads_them(exif: bytes) -> None:
    data = jpeg_with(b"Exif\0\0" + exif)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow's, about the damage
        assert Image.open(io.BytesIO(data)).getexif().get(274) == 6
    assert read_header(data).orientation == 6


def test_a_value_outside_the_block_does_not_hide_the_entries_behind_it() -> None:
    outside = struct.pack("<HHII", 271, 2, 5000, 60_000)
    assert stored_orientation(directory(2, outside, ORIENTED) + bytes(4), None) == 6


def test_the_first_of_several_exif_segments_counts() -> None:
    assert read_header(jpeg_with(corpus.exif(6), corpus.exif(1))).orientation == 6
    assert read_header(jpeg_with(corpus.exif(1), corpus.exif(6))).orientation == 1


def test_exif_counts_before_xmp_if_it_tells_an_orientation() -> None:
    assert stored_orientation(corpus.exif(1), attribute(6)) == 1
    assert stored_orientation(directory(1, entry(271, 1)), attribute(6)) == 6
    assert stored_orientation(b"no exif at all", attribute(6)) == 6
    assert stored_orientation(corpus.exif(9), None) == 1
    assert stored_orientation(None, b"<x tiff:Orientation='0'/>") == 1
    assert stored_orientation(None, attribute(8).decode().encode("utf-16-le")) == 8


@pytest.mark.parametrize("turn", corpus.ORIENTATIONS)
def test_heic_and_avif_are_turned_once(turn: int) -> None:
    # Both encoders turn Exif's orientation into a box of the format, and libheif applies that.
    heic = corpus.heic(corpus.stored(PICTURE, turn), exif=corpus.exif(turn))
    avif = corpus.encode(corpus.stored(PICTURE, turn), "AVIF", exif=corpus.exif(turn))
    for data in (heic, avif):
        picture = decode(data, Canvas(513, 513))
        assert picture.pixels.shape == PICTURE.shape
        corner = picture.pixels[:8, :8].reshape(-1, 3).mean(axis=0)
        assert np.abs(corner - PICTURE[0, 0]).max() < corpus.LOSSY_TOLERANCE
