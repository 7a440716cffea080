"""Areas against the counts of the mask and the direct evaluation of the confidence."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from numpy.typing import NDArray

from beam_deeplab.transforms.masks.areas import LabelSums, class_areas, label_sums
from beam_deeplab.transforms.masks.boundaries import boundary_runs
from beam_deeplab.transforms.masks.cells import cell_grid
from beam_deeplab.transforms.masks.label_maps import label_map
from beam_deeplab.transforms.records import ClassArea
from tests.direct_evaluation import Size, confidences
from tests.placed_logits import PlacedLogits, placed_logits


def areas(
    logits: NDArray[np.float32], stride: int, content: Size, original: Size
) -> tuple[ClassArea, ...]:
    grid = cell_grid(logits, stride, content, original)
    names = [f"class {label}" for label in range(logits.shape[2])]
    sums = label_sums(grid, boundary_runs(grid))
    return class_areas(sums, original[0] * original[1], names)


def assert_areas_are_the_masks(
    found: tuple[ClassArea, ...],
    logits: NDArray[np.float32],
    stride: int,
    content: Size,
    original: Size,
) -> None:
    labels = label_map(logits, stride, content, original)
    present, counts = np.unique(labels, return_counts=True)
    assert [area.class_id for area in found] == present.tolist()
    assert [area.pixels for area in found] == counts.tolist()
    assert [area.class_name for area in found] == [f"class {label}" for label in present]
    direct = confidences(logits, labels, stride, content, original)
    for area in found:
        assert area.fraction == area.pixels / labels.size
        assert 0 < area.mean_confidence <= 1
        assert area.mean_confidence == pytest.approx(direct[area.class_id], rel=1e-5)


@given(placed_logits())
def test_areas_are_the_masks_counts_and_the_direct_confidences(placed: PlacedLogits) -> None:
    found = areas(placed.logits, placed.stride, placed.content, placed.original)
    assert_areas_are_the_masks(found, placed.logits, placed.stride, placed.content, placed.original)


@given(placed_logits(exact=True, max_classes=4))
def test_areas_where_many_classes_tie(placed: PlacedLogits) -> None:
    found = areas(placed.logits, placed.stride, placed.content, placed.original)
    assert_areas_are_the_masks(found, placed.logits, placed.stride, placed.content, placed.original)


@pytest.mark.parametrize("classes", [2, 21, 151])
@pytest.mark.parametrize("spread", [1, 15])
def test_areas_of_a_photo_larger_than_the_canvas(classes: int, spread: int) -> None:
    rng = np.random.default_rng(classes)
    coarse = rng.standard_normal((5, 5, classes), np.float32) * spread
    logits = coarse.repeat(4, axis=0).repeat(4, axis=1)[:17, :17]
    logits += rng.standard_normal(logits.shape, np.float32)
    placing = 16, (193, 257), (450, 600)
    assert_areas_are_the_masks(areas(logits, *placing), logits, *placing)


def test_one_class_has_every_pixel_and_full_confidence() -> None:
    found = areas(np.zeros((3, 3, 1), np.float32), 16, (20, 33), (61, 100))
    assert found == (ClassArea(0, "class 0", 6_100, 1.0, 1.0),)


def test_confidence_by_hand() -> None:
    # Class 0 has probability 1/2 at the left point and 1/4 at the right one: 1/2 against 1/2,
    # and 1/4 against 3/4. Half-way the logits are 0 and log(3)/2, so class 1 wins there already.
    logits = np.array([[[0, 0], [0, np.log(3)]]], np.float32)
    left, middle = areas(logits, 2, (1, 3), (1, 3))
    assert (left.class_id, left.pixels) == (0, 1)
    assert left.mean_confidence == pytest.approx(1 / 2)
    assert (middle.class_id, middle.pixels) == (1, 2)
    assert middle.mean_confidence == pytest.approx((5 / 8 + 3 / 4) / 2)


def test_another_number_of_names_is_refused() -> None:
    sums = LabelSums(np.ones(21, np.int64), np.ones(21))
    with pytest.raises(ValueError, match="21 classes in the logits, but 2 class names"):
        class_areas(sums, 21, ("background", "cat"))
