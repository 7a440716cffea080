"""Truth files as they are stored: ids of any width come out as they went in."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from beam_deeplab.deeplab.truth.files import TruthError, read_pixels
from tests.deeplab.truth.pngs import GREY_ALPHA, RGB, RGBA, indexed, raw_png, saved

VALUES = np.array([[0, 1, 2], [20, 255, 15]], np.uint8)
PALETTE = bytes(range(255, -1, -1)) * 3


@pytest.mark.parametrize("bits", [1, 2, 4, 8, 16])
def test_grey_samples_are_never_spread(bits: int) -> None:
    values = np.arange(2 ** min(bits, 10)).repeat(3).reshape(3, -1)
    np.testing.assert_array_equal(read_pixels(raw_png(values, bits)).values, values)


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_indices_come_with_their_palette(bits: int) -> None:
    values = np.arange(2**bits, dtype=np.uint8).repeat(3).reshape(3, -1)
    stored = read_pixels(saved(indexed(values, PALETTE), bits=bits))
    np.testing.assert_array_equal(stored.values, values)
    assert stored.palette is not None
    assert stored.palette[0].tolist() == [255, 254, 253]


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize(("kind", "channels"), [(GREY_ALPHA, 2), (RGB, 3), (RGBA, 4)])
def test_equal_channels_of_any_width_keep_their_values(kind: int, channels: int, bits: int) -> None:
    values = np.arange(12).reshape(3, 4) + (300 if bits == 16 else 0)
    samples = values[..., None].repeat(channels, axis=2)
    if kind in (GREY_ALPHA, RGBA):
        samples[..., -1] = 2**bits - 1
    found = read_pixels(raw_png(samples, bits, kind)).values
    np.testing.assert_array_equal(found if found.ndim == 2 else found[..., 0], values)


def test_wide_colours_are_narrowed_only_where_nothing_is_lost() -> None:
    colors = np.array([[[128, 0, 0], [0, 64, 255]]])
    narrow = read_pixels(raw_png(colors * 257, 16, RGB)).values
    np.testing.assert_array_equal(narrow, colors)
    with pytest.raises(TruthError, match="16 bits that 8 bits cannot hold"):
        read_pixels(raw_png(colors, 16, RGB))


@pytest.mark.parametrize("kind", ["GIF", "BMP", "TIFF"])
def test_other_lossless_formats_keep_indices(kind: str) -> None:
    values = np.arange(256, dtype=np.uint8).reshape(8, 32)  # Pillow renumbers what is less in GIFs
    stored = read_pixels(saved(indexed(values, PALETTE), kind))
    np.testing.assert_array_equal(stored.values, values)
    assert stored.palette is not None
    assert stored.palette[:2].tolist() == [[255, 254, 253], [252, 251, 250]]


@pytest.mark.parametrize("compression", ["raw", "tiff_lzw", "tiff_adobe_deflate", "packbits"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_tiffs_keep_samples(compression: str, dtype: type) -> None:
    data = saved(Image.fromarray(VALUES.astype(dtype)), "TIFF", compression=compression)
    np.testing.assert_array_equal(read_pixels(data).values, VALUES)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_truth_is_turned_as_pictures_are(orientation: int) -> None:
    exif = Image.Exif()
    exif[274] = orientation
    image = indexed(VALUES, PALETTE)
    inverse = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    if orientation > 1:
        image = image.transpose(inverse[orientation])
    data = saved(image, exif=exif)
    np.testing.assert_array_equal(read_pixels(data).values, VALUES)


def _sparse_tiff() -> bytes:
    data = bytearray(saved(Image.fromarray(VALUES), "TIFF"))
    (count,) = (int.from_bytes(data[8:10], "little"),)
    for entry in range(10, 10 + 12 * count, 12):
        if int.from_bytes(data[entry : entry + 2], "little") == 273:
            data[entry + 8 : entry + 12] = bytes(4)
    return bytes(data)


def _broken() -> dict[str, bytes]:
    png = saved(indexed(np.zeros((30, 30), np.uint8), PALETTE))
    flipped = bytearray(png)
    flipped[-20] ^= 0xFF
    grey = Image.new("L", (4, 4))
    return {
        "the file is empty": b"",
        "is no PNG, GIF, BMP or TIFF": b"text",
        "is a JPEG, which does not keep ids": saved(grey, "JPEG"),
        "is a WebP": saved(grey, "WEBP"),
        "compressed by jpeg": saved(grey, "TIFF", compression="jpeg"),
        "missing or oversized tiles": _sparse_tiff(),
        "kind CMYK": saved(Image.new("CMYK", (4, 4)), "TIFF"),
        "is damaged: Truncated File Read": png[:-30],
        "is damaged: broken PNG file": bytes(flipped),
        "claims 40 x 40 pixels, more than 1000": saved(Image.new("L", (40, 40))),
        "claims 50 x 40 pixels": saved(Image.new("L", (50, 40)), "GIF"),
    }


@pytest.mark.parametrize("words", list(_broken()))
def test_files_that_are_no_truth_are_refused_in_one_line(words: str) -> None:
    with pytest.raises(TruthError) as caught:
        read_pixels(_broken()[words], max_pixels=1000)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
