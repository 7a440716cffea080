from __future__ import annotations

import io
import struct
from typing import Any, Literal

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from beam_deeplab.transforms.decoding.decode import DecodeOptions, DecodingError, decode
from beam_deeplab.transforms.decoding.tiff_directory import read_directory
from beam_deeplab.transforms.geometry import Canvas
from beam_deeplab.transforms.records import FailureCode
from tests import corpus

CANVAS = Canvas(513, 513)
PICTURE = corpus.texture(96, 128)
DEEP = PICTURE.astype(np.uint16) * 257


def failure(data: bytes, **options: Any) -> DecodingError:
    with pytest.raises(DecodingError) as caught:
        decode(data, CANVAS, DecodeOptions(**options))
    return caught.value


def with_entries(data: bytes, changes: dict[int, bytes], more: list[bytes] | None = None) -> bytes:
    """A little-endian file with the values of some entries of its directory overwritten."""
    (begin,) = struct.unpack_from("<I", data, 4)
    (count,) = struct.unpack_from("<H", data, begin)
    entries = [data[begin + 2 + 12 * each :][:12] for each in range(count)]
    entries = [
        each[:8] + changes.get(struct.unpack_from("<H", each)[0], each[8:]) for each in entries
    ]
    entries = sorted([*entries, *(more or [])], key=lambda each: struct.unpack_from("<H", each)[0])
    directory = struct.pack("<H", len(entries)) + b"".join(entries) + bytes(4)
    return data[:4] + struct.pack("<I", len(data)) + data[8:] + directory


def number(tag: int, value: int) -> bytes:
    return struct.pack("<HHII", tag, 4, 1, value)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("samples", [PICTURE, DEEP], ids=["8 bits", "16 bits"])
def test_planes_apart_are_the_same_picture(order: Literal["<", ">"], samples: np.ndarray) -> None:
    data = corpus.tiff(samples.astype(samples.dtype.newbyteorder(order)), planes_apart=True)
    np.testing.assert_array_equal(decode(data, CANVAS).pixels, PICTURE)


def tiled(offsets: list[int] | None = None, sizes: list[int] | None = None) -> bytes:
    """An uncompressed file of 2 x 2 tiles of 16 x 16 grey pixels."""
    tiles = bytes(range(256)) * 4
    where = [8 + 256 * each for each in range(4)] if offsets is None else offsets
    lengths = [256] * 4 if sizes is None else sizes
    behind = 8 + len(tiles)
    entries = [
        number(256, 32),
        number(257, 32),
        number(258, 8),
        number(259, 1),
        number(262, 1),
        number(277, 1),
        number(322, 16),
        number(323, 16),
        struct.pack("<HHII", 324, 4, 4, behind),
        struct.pack("<HHII", 325, 4, 4, behind + 16),
    ]
    arrays = struct.pack("<4I", *where) + struct.pack("<4I", *lengths)
    directory = struct.pack("<H", len(entries)) + b"".join(entries) + bytes(4)
    return b"II*\0" + struct.pack("<I", behind + 32) + tiles + arrays + directory


def test_tiles_are_put_where_they_belong() -> None:
    expected = np.tile(np.arange(256, dtype=np.uint8).reshape(16, 16), (2, 2))
    np.testing.assert_array_equal(decode(tiled(), CANVAS).pixels[..., 0], expected)


@pytest.mark.parametrize(
    ("offsets", "sizes"),
    [
        ([8, 0, 520, 776], [256, 0, 256, 256]),
        ([8, 0, 520, 776], None),
        (None, [256, 256, 0, 256]),
        ([0, 0, 0, 0], [0, 0, 0, 0]),
    ],
)
def test_tiles_that_are_nowhere_are_no_pixels(
    offsets: list[int] | None, sizes: list[int] | None
) -> None:
    error = failure(tiled(offsets, sizes))
    assert error.code is FailureCode.CORRUPT
    assert "missing" in error.message


def with_picture_below(data: bytes, below: bytes, changes: list[bytes]) -> bytes:
    """A file whose first directory says that another one is below it."""
    (directory,) = struct.unpack_from("<I", below, 4)
    shifted = with_entries(data, {}, [*changes, number(330, len(data) + 1000 + directory)])
    return shifted[: len(data)] + _padded(shifted[len(data) :], 1000, below, data)


def _padded(directory: bytes, room: int, below: bytes, data: bytes) -> bytes:
    assert len(directory) <= room
    return directory.ljust(room, b"\0") + below


SMALL = corpus.tiff(PICTURE[:12, :16])
LARGE = corpus.tiff(PICTURE)
RAW = with_entries(corpus.tiff(PICTURE[..., :1], photometric=1), {262: struct.pack("<I", 32803)})


@pytest.mark.parametrize(
    "data",
    [
        with_entries(LARGE, {}, [number(50706, 0x0401)]),
        RAW,
        with_picture_below(SMALL, LARGE, [number(254, 1)]),
        with_picture_below(SMALL, LARGE, []),
        with_picture_below(LARGE, RAW, []),
        with_entries(LARGE, {}, [number(254, 1)]),
        with_entries(LARGE, {}, [number(255, 2)]),
        LARGE[:4] + struct.pack("<I", len(LARGE) + 8) + b"CR\2\0" + LARGE[12:] + bytes(8),
    ],
    ids=["DNG", "mosaic", "NEF", "larger below", "mosaic below", "preview", "old preview", "CR2"],
)
def test_a_preview_does_not_pass_for_the_picture_of_a_camera_raw_file(data: bytes) -> None:
    if data[8:10] == b"CR":
        (begin,) = struct.unpack_from("<I", LARGE, 4)
        data = data[: len(LARGE) + 8] + LARGE[begin:]
    error = failure(data)
    assert error.code is FailureCode.UNSUPPORTED_FORMAT
    assert "camera raw file" in error.message


def test_pages_and_smaller_copies_are_no_camera_raw_files() -> None:
    pages = corpus.encode(
        Image.fromarray(PICTURE[:20, :20]),
        "TIFF",
        save_all=True,
        append_images=[Image.fromarray(PICTURE)],
    )
    assert decode(pages, CANVAS).pixels.shape == (20, 20, 3)
    pyramid = with_picture_below(LARGE, with_entries(SMALL, {}, [number(254, 1)]), [])
    np.testing.assert_array_equal(decode(pyramid, CANVAS).pixels, PICTURE)


@pytest.mark.parametrize(
    ("compression", "name"), [(34712, "JPEG 2000"), (34887, "LERC"), (50001, "WebP"), (4711, "")]
)
def test_compressions_that_are_not_read_are_named(compression: int, name: str) -> None:
    error = failure(with_entries(LARGE, {259: struct.pack("<I", compression)}))
    assert error.code is FailureCode.UNSUPPORTED_FORMAT
    assert f"compression {compression}" in error.message
    assert name in error.message


@pytest.mark.parametrize("apart", [False, True])
@pytest.mark.parametrize(
    ("dtype", "bands", "photometric", "words"),
    [
        (np.uint16, 6, 2, "6 bands of 16 bits (RGB)"),
        (np.uint8, 6, 2, "6 bands of 8 bits (RGB)"),
        (np.uint8, 7, 1, "7 bands of 8 bits (grey)"),
        (np.int16, 3, 2, "3 bands of 16 bits (RGB)"),
    ],
)
def test_bands_that_are_no_picture_are_counted(
    dtype: type, bands: int, photometric: int, words: str, apart: bool
) -> None:
    samples: NDArray[Any] = np.ones((4, 5, bands), dtype)
    extra = [0] * (bands - (3 if photometric == 2 else 1))
    data = corpus.tiff(
        samples,
        photometric=photometric,
        planes_apart=apart,
        more=[(338, 3, extra)],
    )
    error = failure(data)
    assert error.code is FailureCode.UNSUPPORTED_FORMAT
    assert words in error.message


def test_sample_bits_bring_cameras_samples_to_full_range() -> None:
    values = np.linspace(0, 4095, 512).astype(np.uint16).reshape(16, 32)
    expected = (values >> 4).astype(np.uint8)
    options = DecodeOptions(sample_bits=12)
    rgb = np.dstack([values, values[::-1], np.full_like(values, 4096)])
    shown = decode(corpus.tiff(rgb), CANVAS, options).pixels
    np.testing.assert_array_equal(shown[..., 0], expected)
    np.testing.assert_array_equal(shown[..., 1], expected[::-1])
    assert (shown[..., 2] == 255).all()
    grey = decode(corpus.tiff(values[..., None], photometric=1), CANVAS, options).pixels
    np.testing.assert_array_equal(grey[..., 0], expected)
    # Where that is not read, it is said.
    apart = failure(corpus.tiff(rgb, planes_apart=True), sample_bits=12)
    assert apart.code is FailureCode.UNSUPPORTED_FORMAT
    inks = failure(corpus.tiff(np.dstack([rgb, values]), photometric=5), sample_bits=12)
    assert inks.code is FailureCode.UNSUPPORTED_FORMAT


@pytest.mark.parametrize(("compression", "rows"), [("raw", 300), ("tiff_lzw", 500)])
def test_a_truncated_file_is_kept_as_far_as_its_strips_go(compression: str, rows: int) -> None:
    picture = corpus.texture(600, 128)
    data = corpus.encode(picture, "TIFF", compression=compression, strip_size=128 * 3 * 100)
    directory = read_directory(data)
    offsets = directory.integers(273).tolist()
    # The last strip comes to lie behind all else, the directory too, and half of it is cut off.
    moved = data + data[offsets[-1] :][: directory.integers(279)[-1]]
    old = struct.pack(f"<{len(offsets)}I", *offsets)
    place = moved.rindex(old, 0, len(data))
    moved = moved[:place] + moved[place:].replace(
        old, struct.pack(f"<{len(offsets)}I", *offsets[:-1], len(data)), 1
    )
    np.testing.assert_array_equal(decode(moved, Canvas(600, 128)).pixels, picture)
    cut = moved[: (len(data) + len(moved)) // 2]
    assert failure(cut).code is FailureCode.CORRUPT
    kept = decode(cut, Canvas(600, 128), DecodeOptions(truncated="keep"))
    assert kept.original.truncated
    np.testing.assert_array_equal(kept.pixels[:rows], picture[:rows])
    assert not kept.pixels[-20:].any()


def test_a_directory_of_bombs_costs_nothing() -> None:
    # Thousands of entries that claim the whole file each: Pillow would read it as often.
    bomb = [struct.pack("<HHII", 40_000 + each, 7, len(LARGE), 8) for each in range(4000)]
    np.testing.assert_array_equal(decode(with_entries(LARGE, {}, bomb), CANVAS).pixels, PICTURE)
    many = [struct.pack("<HHII", 40_000, 7, 1, 8)] * 5000
    assert failure(with_entries(LARGE, {}, many)).code is FailureCode.CORRUPT


def test_progressive_jpeg_inside_is_refused_before_its_scans_are_decoded() -> None:
    buffer = io.BytesIO()
    Image.fromarray(PICTURE).save(buffer, "JPEG", progressive=True)
    scan = buffer.getvalue()
    shell = corpus.tiff(np.frombuffer(scan, np.uint8).reshape(1, -1, 1), photometric=6)
    sides = {256: struct.pack("<I", 128), 257: struct.pack("<I", 96), 259: struct.pack("<I", 7)}
    sides[278] = sides[257]
    assert "progressive" in failure(with_entries(shell, sides)).message
