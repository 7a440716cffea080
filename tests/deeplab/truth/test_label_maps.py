"""Truth files: what their pixels mean, whatever way they are stored."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
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
from beam_deeplab.deeplab.truth import (
    IGNORED,
    TruthClassError,
    TruthError,
    TruthFormat,
    TruthRule,
    choose_truth_format,
)
from tests.deeplab.truth.pngs import RGB, indexed, raw_png
from tests.deeplab.truth.pngs import saved as _png

VALUES = np.array([[0, 1, 2], [20, 255, 15]], np.uint8)
IDS = TruthRule(VOC, TruthFormat.IDS)
COLORS = np.array([*VOC.palette, *[(0, 0, 0)] * 234, (224, 224, 192)], np.uint8)


def _read(rule: TruthRule, image: Image.Image, name: str = "") -> list[list[int]]:
    ids: list[list[int]] = rule.read(_png(image), name).tolist()
    return ids


@pytest.mark.parametrize(
    "palette",
    [VOC.palette_bytes(), bytes(768), bytes(range(255, -1, -1)) * 3],
    ids=["the classes' own", "black", "of no class"],
)
def test_indices_are_ids_whatever_colours_of_no_class_show(palette: bytes) -> None:
    assert _read(IDS, indexed(VALUES, palette)) == VALUES.tolist()


def test_a_palette_in_another_order_is_read_by_its_colours() -> None:
    order = np.array([15, 0, 255, 20, 2, 1], np.uint8)
    indices = np.array([[1, 5, 4], [3, 2, 0]], np.uint8)
    assert _read(IDS, indexed(indices, COLORS[order].tobytes())) == VALUES.tolist()
    colors = TruthRule(VOC, TruthFormat.COLORS)
    assert _read(colors, indexed(indices, COLORS[order].tobytes())) == VALUES.tolist()


def test_a_palette_that_contradicts_itself_is_refused() -> None:
    """Two classes changed places, and a third colour is none of a class."""
    palette = [0, 0, 0, *VOC.palette[2], *VOC.palette[1], 255, 0, 255]
    with pytest.raises(TruthClassError, match="index 1 in the colour of bicycle"):
        _read(IDS, indexed(np.array([[0, 1, 2, 3]], np.uint8), palette))


def test_colours_of_the_classes_are_read_with_and_without_alpha() -> None:
    rgb = Image.fromarray(COLORS[VALUES])
    assert _read(IDS, rgb) == VALUES.tolist()
    rgba = rgb.copy()
    rgba.putalpha(200)
    assert _read(IDS, rgba) == VALUES.tolist()


def test_equal_channels_are_ids() -> None:
    grey = Image.fromarray(VALUES)
    for mode in ("RGB", "RGBA", "LA"):
        assert _read(IDS, grey.convert(mode)) == VALUES.tolist()
    wide = raw_png(VALUES.astype(np.uint16)[..., None].repeat(3, axis=2), 16, RGB)
    np.testing.assert_array_equal(IDS.read(wide), VALUES)


def test_colours_of_no_class_are_named() -> None:
    with pytest.raises(TruthClassError, match=r"holds the colours \(255, 0, 255\), which are no"):
        _read(IDS, Image.new("RGB", (2, 2), (255, 0, 255)))


def test_grey_pixels_are_colours_where_that_is_said() -> None:
    """Masks of 0 and 255, as binary annotation tools write them."""
    labels = LabelSet("two", ("ground", "thing"), ((0, 0, 0), (255, 255, 255)))
    mask = Image.fromarray(np.array([[0, 255]], np.uint8))
    assert _read(TruthRule(labels, TruthFormat.COLORS), mask) == [[0, 1]]
    assert _read(TruthRule(labels), mask) == [[0, IGNORED]]


def test_the_colours_of_cityscapes_include_what_is_ignored() -> None:
    colors = [(128, 64, 128), (0, 0, 142), (111, 74, 0), (0, 0, 0), (153, 153, 153)]
    mask = Image.fromarray(np.array([colors], np.uint8))
    assert _read(TruthRule(CITYSCAPES), mask, "a_gtFine_color.png") == [
        [0, 13, IGNORED, IGNORED, 5]
    ]


def test_a_colour_of_two_classes_tells_neither() -> None:
    shared = max(set(ADE20K.palette), key=ADE20K.palette.count)
    with pytest.raises(TruthClassError, match="holds the colours"):
        _read(TruthRule(ADE20K, TruthFormat.COLORS), Image.new("RGB", (1, 1), shared))


@pytest.mark.parametrize("value", [7, 0, 254, 1000])
def test_any_value_can_be_ignored_beside_255(value: int) -> None:
    rule = TruthRule(VOC, ignored=(value,))
    mask = Image.fromarray(np.array([[3, value, 255]], np.uint16))
    assert _read(rule, mask) == [[3, IGNORED, IGNORED]]


def test_an_ignored_class_is_ignored_in_colours_too() -> None:
    rule = TruthRule(VOC, ignored=(1,))
    assert _read(rule, Image.fromarray(COLORS[VALUES])) == [[0, IGNORED, 2], [20, IGNORED, 15]]


def test_values_that_no_pixel_has_cannot_be_ignored() -> None:
    with pytest.raises(LabelError, match="no pixel has the value 65536"):
        TruthRule(VOC, ignored=(65536,))


def test_cityscapes_ids_become_train_ids() -> None:
    rule = TruthRule(CITYSCAPES, TruthFormat.CITYSCAPES)
    official = Image.fromarray(np.array([[7, 8, 33, 0, 9, 26]], np.uint8))
    expected = [[0, 1, 18, IGNORED, IGNORED, 13]]
    assert _read(rule, official) == expected


@pytest.mark.parametrize(("classes", "first"), [(151, 1), (150, 0)])
def test_ade20k_ignores_0_with_and_without_a_class_for_it(classes: int, first: int) -> None:
    rule = TruthRule(for_class_count(classes), TruthFormat.ADE20K)
    values = Image.fromarray(np.array([[0, 1, 150]], np.uint8))
    assert _read(rule, values) == [[IGNORED, first, first + 149]]


def test_another_ignore_label_means_the_same() -> None:
    labels = LabelSet("mine", ("a", "b"), ((0, 0, 0), (1, 1, 1)), ignore_label=9)
    mask = Image.fromarray(np.array([[1, 9, 255]], np.uint8))
    assert _read(TruthRule(labels), mask) == [[1, IGNORED, IGNORED]]


@pytest.mark.parametrize(
    ("labels", "truth_format"),
    [(VOC, TruthFormat.CITYSCAPES), (VOC, TruthFormat.ADE20K), (CITYSCAPES, TruthFormat.ADE20K)],
)
def test_a_format_that_does_not_suit_the_classes_is_refused(
    labels: LabelSet, truth_format: TruthFormat
) -> None:
    with pytest.raises(LabelError, match=f"{truth_format} suits models of .* not of {len(labels)}"):
        TruthRule(labels, truth_format)


@pytest.mark.parametrize(
    ("labels", "name", "expected"),
    [
        (VOC, "a.png", TruthFormat.IDS),
        (ADE20K, "a.png", TruthFormat.ADE20K),
        (CITYSCAPES, "gs://b/x_gtFine_labelIds.png", TruthFormat.CITYSCAPES),
        (CITYSCAPES, "/x_gtFine_labelTrainIds.png", TruthFormat.IDS),
        (CITYSCAPES, "/x_gtFine_color.png", TruthFormat.COLORS),
    ],
)
def test_auto_goes_by_the_classes_and_by_names(
    labels: LabelSet, name: str, expected: TruthFormat
) -> None:
    assert choose_truth_format(labels, name) is expected


def test_auto_does_not_guess_between_the_two_ids_of_cityscapes() -> None:
    with pytest.raises(LabelError, match="does not tell"):
        choose_truth_format(CITYSCAPES, "/labelIds/x.png")
    with pytest.raises(TruthError, match="does not tell"):
        _read(TruthRule(CITYSCAPES), Image.new("L", (1, 1)), "x.png")


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
    with pytest.raises(TruthClassError, match=f"holds the values {words}, which"):
        _read(IDS, Image.fromarray(values))
