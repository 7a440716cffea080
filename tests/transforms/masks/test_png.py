"""Indexed PNG files, read back by the programs that users read them with."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from PIL import Image

from beam_deeplab.deeplab.labels import VOC
from beam_deeplab.transforms.masks.png import encode_label_map, with_palette

PALETTE = bytes(np.random.default_rng(0).integers(0, 256, 768, dtype=np.uint8))
LABEL_MAPS = hnp.arrays(np.uint8, hnp.array_shapes(min_dims=2, max_dims=2, max_side=40))


def chunks(data: bytes) -> dict[bytes, bytes]:
    """The chunks of a PNG by kind, checksums checked."""
    found = {}
    at = 8
    while at < len(data):
        (length,) = struct.unpack_from(">I", data, at)
        kind, content = data[at + 4 : at + 8], data[at + 8 : at + 8 + length]
        assert struct.unpack_from(">I", data, at + 8 + length) == (zlib.crc32(kind + content),)
        found[kind] = content
        at += 12 + length
    return found


@given(LABEL_MAPS)
def test_pillow_reads_labels_and_palette_back(labels: NDArray[np.uint8]) -> None:
    with Image.open(io.BytesIO(encode_label_map(labels, PALETTE))) as image:
        image.load()
        assert image.mode == "P"
        np.testing.assert_array_equal(np.asarray(image), labels)
        assert bytes(image.getpalette() or []) == PALETTE


@given(LABEL_MAPS)
def test_the_file_is_a_png_with_eight_bit_indices_and_valid_checksums(
    labels: NDArray[np.uint8],
) -> None:
    data = encode_label_map(labels, PALETTE)
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    found = chunks(data)
    assert list(found) == [b"IHDR", b"PLTE", b"IDAT", b"IEND"]
    height, width = labels.shape
    assert found[b"IHDR"] == struct.pack(">2I5B", width, height, 8, 3, 0, 0, 0)
    # The standard library's inflate is another implementation than what compressed it.
    rows = np.frombuffer(zlib.decompress(found[b"IDAT"]), np.uint8).reshape(height, width + 1)
    np.testing.assert_array_equal(rows[:, 1:], labels)


def test_opencv_reads_the_palettes_colours() -> None:
    import cv2

    labels = np.arange(256, dtype=np.uint8).reshape(8, 32).repeat(3, axis=0)
    image = cv2.imdecode(
        np.frombuffer(encode_label_map(labels, PALETTE), np.uint8), cv2.IMREAD_COLOR_RGB
    )
    np.testing.assert_array_equal(image, np.frombuffer(PALETTE, np.uint8).reshape(256, 3)[labels])


def test_hugging_face_datasets_decodes_the_labels() -> None:
    datasets = pytest.importorskip("datasets")
    labels = np.arange(256, dtype=np.uint8).reshape(8, 32).repeat(3, axis=0)
    mask = {"bytes": encode_label_map(labels, PALETTE), "path": None}
    np.testing.assert_array_equal(np.asarray(datasets.Image().decode_example(mask)), labels)


@pytest.mark.parametrize(
    "labels",
    [np.asfortranarray(np.eye(5, 9, dtype=np.uint8)), np.eye(9, 5, dtype=np.uint8)[::-1, ::2]],
)
def test_any_memory_layout_is_encoded(labels: NDArray[np.uint8]) -> None:
    with Image.open(io.BytesIO(encode_label_map(labels, PALETTE))) as image:
        np.testing.assert_array_equal(np.asarray(image), labels)


def test_a_large_mask_is_far_smaller_than_its_pixels_and_reads_back() -> None:
    y, x = np.mgrid[:1500, :2000]
    labels = ((x - 900) ** 2 + (y - 700) ** 2 < 400**2).astype(np.uint8) * 15
    data = encode_label_map(labels, PALETTE)
    assert len(data) < labels.size / 250
    with Image.open(io.BytesIO(data)) as image:
        np.testing.assert_array_equal(np.asarray(image), labels)


@pytest.mark.parametrize("shape", [(3, 300_000), (300_000, 3), (1, 1)])
def test_any_shape_reads_back(shape: tuple[int, int]) -> None:
    labels = np.random.default_rng(1).integers(0, 3, shape, dtype=np.uint8)
    with Image.open(io.BytesIO(encode_label_map(labels, PALETTE))) as image:
        np.testing.assert_array_equal(np.asarray(image), labels)


@pytest.mark.parametrize(
    "labels",
    [np.zeros((2, 2), np.int64), np.zeros((2, 2, 1), np.uint8), np.zeros((0, 2), np.uint8)],
)
def test_what_is_no_label_map_is_refused(labels: NDArray[np.uint8]) -> None:
    with pytest.raises(ValueError, match="a label map is uint8"):
        encode_label_map(labels, PALETTE)


@pytest.mark.parametrize("size", [0, 63, 767, 769])
def test_a_palette_of_another_size_is_refused(size: int) -> None:
    with pytest.raises(ValueError, match="a palette has 768 bytes"):
        encode_label_map(np.zeros((2, 2), np.uint8), bytes(size))


def test_other_colours_leave_the_pixels() -> None:
    labels = np.arange(256, dtype=np.uint8).reshape(8, 32)
    png = encode_label_map(labels, bytes(range(256)) * 3)
    grey = Image.open(io.BytesIO(with_palette(png, None)))
    assert grey.mode == "L"
    np.testing.assert_array_equal(np.asarray(grey), labels)
    for palette in (VOC.palette_bytes(), bytes(768)):
        assert with_palette(png, palette) == encode_label_map(labels, palette)
    with pytest.raises(ValueError, match="not a label map"):
        with_palette(with_palette(png, None), None)
