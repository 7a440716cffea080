"""The measure that ranks pictures: what a few stray pixels cost, and what a lost thing does."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from beam_deeplab.transforms.evaluating.measures import measure
from beam_deeplab.transforms.evaluating.tally import tally_pixels

TRUTH = np.zeros((100, 100), np.uint8)
TRUTH[20:50, 20:50] = 1


@given(st.sets(st.integers(0, 9_999), max_size=30), st.integers(2, 5))
def test_thirty_stray_pixels_do_not_make_a_picture_one_of_the_worst(
    places: set[int], label: int
) -> None:
    mask = TRUTH.copy()
    mask.ravel()[list(places)] = label
    measures = measure(tally_pixels(TRUTH, mask, 6))
    assert measures.major_miou is not None
    assert measures.major_miou > 0.95
    if places:
        assert measures.miou is not None
        assert measures.miou <= measures.major_miou * 2 / 3 + 1e-9


def test_a_thing_that_is_lost_does() -> None:
    lost = measure(tally_pixels(TRUTH, np.zeros_like(TRUTH), 6))
    assert lost.major_miou == lost.miou == pytest.approx(0.91 / 2)


def test_without_a_pixel_of_truth_there_is_none() -> None:
    nothing = measure(tally_pixels(np.full_like(TRUTH, 255), TRUTH, 6))
    assert nothing.major_miou is None
