"""Truth files: what their pixels mean, whatever way they are stored."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import numpy as np
import pytest
from beam_deeplab.transforms.evaluating.truth import (
    IGNORED,
    TruthError,
    TruthFormat,
    choose_truth_format,
    class_table,
    decode_truth,
)
from numpy.typing import NDArray
from PIL import Image

from beam_deeplab.deeplab.labels import (
    ADE20K,
    CITYSCAPES,
    VOC,
    LabelError,
    LabelSet,
    for_class_count,
)
from beam_deeplab.transforms.masks.png import encode_label_map
from beam_deeplab.transforms.records import FailureCode

IDS = class_table(TruthFormat.IDS, VOC)
VALUES = np.array([[0, 1, 2], [20, 255, 15]], np.uint8)


def _png(image: Image.Image, **options: Any) -> bytes:
    sink = io.BytesIO()
    image.save(sink, "PNG", **options)
    return sink.getvalue()


def _grey_png(values: NDArray[np.uint8], bits: int) -> bytes:
    """A grey PNG of 1, 2 or 4 bits a sample, which Pillow does not write."""
    height, width = values.shape
    each = np.unpackbits(values[..., None], axis=2)[..., -bits:].reshape(height, -1)
    rows = np.packbits(each, axis=1)
    filtered = np.pad(rows, ((0, 0), (1, 0))).tobytes()

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">2I5B", width, height, bits, 0, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(filtered)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def test_an_indexed_png_gives_its_indices_whatever_the_palette_shows() -> None:
    for palette in (VOC.palette_bytes(), bytes(768)):
        np.testing.assert_array_equal(decode_truth(encode_label_map(VALUES, palette), IDS), VALUES)


def test_grey_of_8_and_16_bits_gives_its_samples() -> None:
    np.testing.assert_array_equal(decode_truth(_png(Image.fromarray(VALUES)), IDS), VALUES)
    deep = Image.fromarray(VALUES.astype(np.uint16))
    np.testing.assert_array_equal(decode_truth(_png(deep), IDS), VALUES)


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_narrow_samples_are_not_spread(bits: int) -> None:
    values = np.arange(2**bits, dtype=np.uint8).repeat(3).reshape(3, -1)
    np.testing.assert_array_equal(decode_truth(_grey_png(values, bits), IDS), values)
    indexed = Image.fromarray(values, "P")
    indexed.putpalette(VOC.palette_bytes())
    np.testing.assert_array_equal(decode_truth(_png(indexed, bits=bits), IDS), values)


def test_cityscapes_ids_become_train_ids() -> None:
    table = class_table(TruthFormat.CITYSCAPES, CITYSCAPES)
    official = Image.fromarray(np.array([[7, 8, 33, 0, 9, 26]], np.uint8))
    expected = [[0, 1, 18, IGNORED, IGNORED, 13]]
    assert decode_truth(_png(official), table).tolist() == expected


@pytest.mark.parametrize(("classes", "first"), [(151, 1), (150, 0)])
def test_ade20k_ignores_0_with_and_without_a_class_for_it(classes: int, first: int) -> None:
    table = class_table(TruthFormat.ADE20K, for_class_count(classes))
    values = Image.fromarray(np.array([[0, 1, 150]], np.uint8))
    assert decode_truth(_png(values), table).tolist() == [[IGNORED, first, first + 149]]


def test_another_ignore_label_means_the_same() -> None:
    labels = LabelSet("mine", ("a", "b"), ((0, 0, 0), (1, 1, 1)), ignore_label=9)
    table = class_table(TruthFormat.IDS, labels)
    assert decode_truth(_png(Image.fromarray(np.array([[1, 9]], np.uint8))), table).tolist() == [
        [1, IGNORED]
    ]


@pytest.mark.parametrize(
    ("labels", "truth_format"),
    [(VOC, TruthFormat.CITYSCAPES), (VOC, TruthFormat.ADE20K), (CITYSCAPES, TruthFormat.ADE20K)],
)
def test_a_format_that_does_not_suit_the_classes_is_refused(
    labels: LabelSet, truth_format: TruthFormat
) -> None:
    with pytest.raises(LabelError, match=f"{truth_format} suits models of .* not of {len(labels)}"):
        class_table(truth_format, labels)


@pytest.mark.parametrize(
    ("labels", "name", "expected"),
    [
        (VOC, "a.png", TruthFormat.IDS),
        (ADE20K, "a.png", TruthFormat.ADE20K),
        (CITYSCAPES, "gs://b/x_gtFine_labelIds.png", TruthFormat.CITYSCAPES),
        (CITYSCAPES, "/x_gtFine_labelTrainIds.png", TruthFormat.IDS),
    ],
)
def test_auto_goes_by_the_classes_and_by_names(
    labels: LabelSet, name: str, expected: TruthFormat
) -> None:
    assert choose_truth_format(labels, name) is expected


def test_auto_does_not_guess_between_the_two_ids_of_cityscapes() -> None:
    with pytest.raises(LabelError, match="does not tell"):
        choose_truth_format(CITYSCAPES, "/labelIds/x.png")


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (np.array([[0, 21]], np.uint8), "21"),
        (np.array([[254, 22, 3]], np.uint8), "22, 254"),
        (np.array([[256 + 1]], np.uint16), "257"),
        (np.array([[65535]], np.uint16), "65535"),
        (np.arange(21, 40, dtype=np.uint8)[None], "21, 22, 23, 24, 25 and 14 more"),
    ],
)
def test_values_that_are_no_class_are_named(values: NDArray[Any], words: str) -> None:
    with pytest.raises(TruthError) as caught:
        decode_truth(_png(Image.fromarray(values)), IDS)
    assert caught.value.code is FailureCode.TRUTH_CLASS
    assert f"holds the values {words}, which" in caught.value.message


def _broken() -> dict[str, bytes]:
    png = encode_label_map(np.zeros((30, 30), np.uint8), VOC.palette_bytes())
    large = encode_label_map(np.zeros((40, 40), np.uint8), VOC.palette_bytes())
    flipped = bytearray(png)
    flipped[-20] ^= 0xFF
    sink = io.BytesIO()
    Image.new("RGB", (4, 4)).save(sink, "JPEG")
    return {
        "the file is empty": b"",
        "not a JPEG": b"text",
        "is a JPEG, not a PNG": sink.getvalue(),
        "holds colours": _png(Image.new("RGB", (4, 4))),
        "cut off": png[:-30],
        "checksum": bytes(flipped),
        "claims 40 x 40 pixels, more than": large,
    }


@pytest.mark.parametrize("words", list(_broken()))
def test_files_that_are_no_truth_are_unreadable(words: str) -> None:
    with pytest.raises(TruthError) as caught:
        decode_truth(_broken()[words], IDS, max_pixels=1000)
    assert caught.value.code is FailureCode.TRUTH_UNREADABLE
    assert words in caught.value.message
    assert "\n" not in caught.value.message
