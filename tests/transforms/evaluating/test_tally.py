"""Pixel counts and the measures computed from them, against direct NumPy and a naive boundary."""

from __future__ import annotations

import functools
import itertools
import operator
from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from beam_deeplab.deeplab.truth import IGNORED
from beam_deeplab.transforms.evaluating.composites import SumTallies
from beam_deeplab.transforms.evaluating.measures import measure
from beam_deeplab.transforms.evaluating.tally import Tally, band_width, boundary_band, tally_pixels

CLASSES = 4
Labels = NDArray[np.uint8]
Picture = tuple[Labels, Labels]
LABEL_MAPS = arrays(
    np.uint8,
    st.tuples(st.integers(1, 14), st.integers(1, 14)),
    elements=st.sampled_from([0, 1, 2, 255]),
)


def mask_to_boundary(mask: NDArray[np.bool_], distance: int) -> NDArray[np.bool_]:
    """``mask_to_boundary`` of bowenc0221/boundary-iou-api, its distance given."""
    padded = cv2.copyMakeBorder(mask.astype(np.uint8), 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
    eroded = cv2.erode(padded, np.ones((3, 3), np.uint8), iterations=distance)
    inside: NDArray[np.bool_] = eroded[1:-1, 1:-1] > 0
    return mask & ~inside


@st.composite
def pictures(draw: st.DrawFn) -> Picture:
    """A truth with ignored pixels, and a prediction."""
    shape = draw(st.tuples(st.integers(1, 12), st.integers(1, 12)))
    truth = draw(arrays(np.uint8, shape, elements=st.sampled_from([0, 1, 2, 3, IGNORED])))
    predicted = draw(arrays(np.uint8, shape, elements=st.integers(0, CLASSES - 1)))
    return truth, predicted


def _iou(truth: NDArray[np.bool_], predicted: NDArray[np.bool_]) -> float | None:
    union = (truth | predicted).sum()
    return float((truth & predicted).sum() / union) if union else None


def _mean(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def _approx(value: Any) -> Any:
    return value if value is None else pytest.approx(value, abs=1e-12)


@given(picture=pictures())
def test_measures_of_one_picture_equal_set_operations_on_masks(picture: Picture) -> None:
    truth, predicted = picture
    valid = truth != IGNORED
    found = measure(tally_pixels(truth, predicted, CLASSES))
    ious = [_iou((truth == c) & valid, (predicted == c) & valid) for c in range(CLASSES)]
    assert list(found.iou) == [_approx(iou) for iou in ious]
    assert found.miou == _approx(_mean(ious))
    if not valid.any():
        assert found.pixel_accuracy is found.frequency_weighted_iou is found.mean_accuracy is None
        return
    assert found.pixel_accuracy == _approx(float((truth == predicted)[valid].mean()))
    shares = [float((truth[valid] == c).mean()) for c in range(CLASSES)]
    weighted = sum(share * (iou or 0.0) for share, iou in zip(shares, ious, strict=True))
    assert found.frequency_weighted_iou == _approx(weighted)
    recalls = [
        float((predicted[truth == c] == c).mean()) if (truth == c).any() else None
        for c in range(CLASSES)
    ]
    assert found.mean_accuracy == _approx(_mean(recalls))


@given(picture=pictures())
def test_boundary_iou_equals_the_paper_s_on_each_class(picture: Picture) -> None:
    truth, predicted = picture
    valid, distance = truth != IGNORED, band_width(*truth.shape)
    expected = [
        _iou(
            mask_to_boundary((truth == c) & valid, distance),
            mask_to_boundary((predicted == c) & valid, distance),
        )
        for c in range(CLASSES)
    ]
    found = measure(tally_pixels(truth, predicted, CLASSES))
    assert list(found.boundary_iou) == [_approx(iou) for iou in expected]
    assert found.mean_boundary_iou == _approx(_mean(expected))


@given(picture=pictures(), noise=st.integers(0, CLASSES - 1))
def test_what_is_predicted_on_ignored_pixels_counts_nowhere(picture: Picture, noise: int) -> None:
    truth, predicted = picture
    other = np.where(truth == IGNORED, np.uint8(noise), predicted)
    assert tally_pixels(truth, other, CLASSES) == tally_pixels(truth, predicted, CLASSES)


@given(picture=pictures(), data=st.data())
def test_pixels_without_a_predicted_class_count_as_if_the_truth_ignored_them(
    picture: Picture, data: st.DataObject
) -> None:
    truth, predicted = picture
    unsure = data.draw(arrays(np.bool_, truth.shape))
    found = tally_pixels(truth, np.where(unsure, np.uint8(IGNORED), predicted), CLASSES)
    expected = tally_pixels(np.where(unsure, np.uint8(IGNORED), truth), predicted, CLASSES)
    assert found.ignored == (unsure & (truth != IGNORED)).sum()
    assert replace(found, ignored=0) == expected
    assert (found + found).ignored == 2 * found.ignored


@given(picture=pictures())
def test_a_perfect_prediction_is_1_in_everything(picture: Picture) -> None:
    truth, _ = picture
    assume((truth != IGNORED).any())
    found = measure(tally_pixels(truth, np.where(truth == IGNORED, 0, truth), CLASSES))
    assert found.miou == found.pixel_accuracy == found.mean_accuracy == 1
    assert found.mean_boundary_iou == 1
    assert found.frequency_weighted_iou == pytest.approx(1)


@given(picture=pictures(), order=st.permutations(range(CLASSES)))
def test_renaming_the_classes_renames_the_measures(picture: Picture, order: list[int]) -> None:
    truth, predicted = picture
    table = np.array([*order, *range(CLASSES, 256)], np.uint8)
    found = measure(tally_pixels(truth, predicted, CLASSES))
    renamed = measure(tally_pixels(table[truth], table[predicted], CLASSES))
    assert [renamed.iou[order[c]] for c in range(CLASSES)] == list(found.iou)
    assert [renamed.boundary_iou[order[c]] for c in range(CLASSES)] == list(found.boundary_iou)
    assert renamed.miou == _approx(found.miou)


@given(several=st.lists(pictures(), max_size=4), data=st.data())
def test_tallies_add_up_in_any_order_and_grouping(
    several: list[Picture], data: st.DataObject
) -> None:
    tallies = [tally_pixels(*picture, CLASSES) for picture in several]
    total = functools.reduce(operator.add, tallies, Tally.empty(CLASSES))
    shuffled = data.draw(st.permutations(tallies))
    cut = data.draw(st.integers(0, len(shuffled)))
    combine = SumTallies(CLASSES)
    accumulators = []
    for part in (shuffled[:cut], shuffled[cut:]):
        accumulator = combine.create_accumulator()
        for tally in part:
            accumulator = combine.add_input(accumulator, tally)
        accumulators.append(accumulator)
    merged = combine.extract_output(combine.merge_accumulators(accumulators))
    assert merged == total
    valid = [truth[truth != IGNORED] for truth, _ in several]
    assert total.images == len(several)
    assert total.confusion.sum() == sum(part.size for part in valid)


@given(several=st.lists(pictures(), max_size=3))
def test_all_measures_lie_between_0_and_1(several: list[Picture]) -> None:
    tallies = [tally_pixels(*picture, CLASSES) for picture in several]
    found = measure(functools.reduce(operator.add, tallies, Tally.empty(CLASSES)))
    for value in itertools.chain(
        found.iou,
        found.boundary_iou,
        (found.miou, found.pixel_accuracy, found.mean_accuracy, found.frequency_weighted_iou),
    ):
        assert value is None or 0 <= value <= 1


def test_a_class_that_is_only_predicted_counts_as_0_and_one_that_is_nowhere_not_at_all() -> None:
    truth = np.array([[0, 0, 1, 1]], np.uint8)
    predicted = np.array([[0, 0, 1, 2]], np.uint8)
    found = measure(tally_pixels(truth, predicted, CLASSES))
    assert found.iou == (1.0, 0.5, 0.0, None)
    assert found.miou == 0.5


@pytest.mark.parametrize(
    ("truth", "predicted"),
    [([[0, 4]], [[0, 0]]), ([[0, 0]], [[0, 4]]), ([[0, 0]], [[0, 254]]), ([[0, 0]], [[0], [0]])],
)
def test_labels_out_of_range_and_other_shapes_are_refused(truth: Any, predicted: Any) -> None:
    with pytest.raises(ValueError, match=r"classes|prediction"):
        tally_pixels(np.array(truth, np.uint8), np.array(predicted, np.uint8), CLASSES)


def test_counts_stay_exact_beyond_what_float32_holds() -> None:
    """2**24 + 1 has no float32."""
    truth = np.zeros((4097, 4096), np.uint8)
    truth[0, 1:] = 1
    predicted = np.zeros_like(truth)
    confusion = tally_pixels(truth, predicted, 2).confusion
    assert confusion.tolist() == [[4096 * 4096 + 1, 0], [4095, 0]]


@given(labels=LABEL_MAPS, distance=st.integers(1, 6))
def test_it_is_what_erosion_takes_away_from_each_label(
    labels: NDArray[np.uint8], distance: int
) -> None:
    band = boundary_band(labels, distance)
    for label in np.unique(labels):
        expected = mask_to_boundary(labels == label, distance)
        np.testing.assert_array_equal(band & (labels == label), expected)


@given(labels=LABEL_MAPS, distance=st.integers(1, 4))
def test_it_is_what_has_another_label_within_the_distance(
    labels: NDArray[np.uint8], distance: int
) -> None:
    padded = np.pad(labels.astype(int), distance, constant_values=-1)
    side = 2 * distance + 1
    expected = [
        [bool((padded[y : y + side, x : x + side] != labels[y, x]).any()) for x in range(width)]
        for height, width in [labels.shape]
        for y in range(height)
    ]
    np.testing.assert_array_equal(boundary_band(labels, distance), expected)


@pytest.mark.parametrize(
    ("height", "width", "pixels"), [(375, 500, 12), (1024, 2048, 46), (1, 1, 1), (30, 40, 1)]
)
def test_the_width_is_2_per_cent_of_the_diagonal(height: int, width: int, pixels: int) -> None:
    assert band_width(height, width) == pixels
