from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given

from beam_deeplab.transforms.records import ImageRef, LogitsGrid, Original
from beam_deeplab.transforms.rendering.matte import (
    guided_filter,
    refined_matte,
    soft_matte,
    subject_probabilities,
)
from tests.direct_evaluation import interpolated
from tests.placed_logits import PlacedLogits, placed_logits
from tests.transforms.rendering.subjects import centred_answer


def answer_of(placed: PlacedLogits) -> LogitsGrid:
    return LogitsGrid(
        ImageRef("a.png"), placed.logits, placed.stride, *placed.content, Original(*placed.original)
    )


@given(placed_logits())
def test_probabilities_are_interpolated_as_masks_are(placed: PlacedLogits) -> None:
    subject = range(0, placed.logits.shape[2], 2)
    powers = np.exp(placed.logits - placed.logits.max(axis=2, keepdims=True))
    shares = (powers / powers.sum(axis=2, keepdims=True))[..., list(subject)]
    expected = interpolated(shares, placed.stride, placed.content, placed.original).sum(axis=2)
    found = subject_probabilities(answer_of(placed), list(subject))
    np.testing.assert_allclose(found, expected, atol=1e-5)
    soft = soft_matte(answer_of(placed), list(subject))
    np.testing.assert_allclose(soft, expected * 255, atol=0.51)


@given(placed_logits())
def test_a_matte_has_the_size_of_the_original(placed: PlacedLogits) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (*placed.original, 3), np.uint8)
    matte = refined_matte(picture, answer_of(placed), [0])
    assert matte.dtype == np.uint8
    assert matte.shape == placed.original


@pytest.mark.parametrize("side", [65, 130, 1500])
def test_no_veil_lies_inside_and_no_shred_outside(side: int) -> None:
    # A picture without any edge that the outline could follow, and noise, which has too many.
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[:side, :side]
    distance = np.hypot((rows + 0.5) / side - 0.5, (columns + 0.5) / side - 0.5)
    cell = 1 / 8
    for picture in (
        np.full((side, side, 3), 90, np.uint8),
        rng.integers(0, 256, (side, side, 3), np.uint8),
    ):
        matte = refined_matte(picture, centred_answer(side, side), [1])
        assert (matte[distance < 0.25 - 1.3 * cell] == 255).all()
        assert (matte[distance > 0.25 + 1.3 * cell] == 0).all()


def test_the_matte_follows_an_edge_of_the_picture_that_the_grid_has_missed() -> None:
    height = width = 260
    rows, columns = np.mgrid[:height, :width]
    # The grid says 0.25, the picture 0.27: half a pixel of the network's, five of the picture's.
    inside = np.hypot((rows + 0.5) / height - 0.5, (columns + 0.5) / width - 0.5) < 0.27
    picture = np.where(inside[..., None], (200, 60, 40), (30, 90, 160)).astype(np.uint8)
    answer = centred_answer(height, width)
    wrong = ((refined_matte(picture, answer, [1]) >= 128) != inside).mean()
    wrong_before = ((soft_matte(answer, [1]) >= 128) != inside).mean()
    assert wrong < 0.35 * wrong_before


@pytest.mark.parametrize(("lead", "value"), [(9, 255), (-9, 0)])
def test_a_picture_of_nothing_else_has_no_outline(lead: float, value: int) -> None:
    answer = centred_answer(40, 30, reach=lead)
    matte = refined_matte(np.zeros((40, 30, 3), np.uint8), answer, [1])
    assert (matte == value).all()


def test_the_guided_filter_is_a_line_through_each_window() -> None:
    # What is a linear function of the guide comes out as it was (He et al., section 3).
    rng = np.random.default_rng(1)
    guide = rng.random((30, 40, 3), np.float32)
    values = guide @ np.array([0.5, -0.2, 0.3], np.float32) + np.float32(0.1)
    slopes, offsets = guided_filter(guide, values, 4)
    np.testing.assert_allclose((slopes * guide).sum(axis=2) + offsets, values, atol=5e-3)
