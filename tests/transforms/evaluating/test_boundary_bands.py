"""Bands along contours, against erosion as the paper's implementation does it."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from beam_deeplab.transforms.evaluating.boundary_bands import band_width, boundary_band

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
