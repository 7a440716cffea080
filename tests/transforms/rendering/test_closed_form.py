"""Closed-form matting keeps what is sure, and finds hair that a filter of edges smears."""

from __future__ import annotations

import numpy as np
import pytest

from beam_deeplab.transforms.rendering.closed_form import closed_form_alpha
from beam_deeplab.transforms.rendering.matte import Matting, refined_matte
from tests.transforms.rendering.subjects import centred_answer

SIDE = 260


def _distance() -> np.ndarray:
    rows, columns = np.mgrid[:SIDE, :SIDE]
    distance: np.ndarray = np.hypot((rows + 0.5) / SIDE - 0.5, (columns + 0.5) / SIDE - 0.5)
    return distance


@pytest.mark.slow
def test_hair_is_found_and_nothing_else_is_half_transparent() -> None:
    distance = _distance()
    rows, columns = np.mgrid[:SIDE, :SIDE]
    angle = np.arctan2(rows - SIDE / 2, columns - SIDE / 2)
    hair = (np.sin(40 * angle) > 0.3) & (distance < 0.28)
    alpha = np.maximum(distance < 0.24, 0.8 * hair)
    picture = alpha[..., None] * (210, 70, 40) + (1 - alpha[..., None]) * (30, 90, 170)
    picture = np.rint(picture).astype(np.uint8)
    answer = centred_answer(SIDE, SIDE)
    error = {
        matting: np.abs(refined_matte(picture, answer, [1], matting) / 255 - alpha).mean()
        for matting in Matting
    }
    assert error[Matting.CLOSED_FORM] < 0.5 * error[Matting.GUIDED]
    matte = refined_matte(picture, answer, [1], Matting.CLOSED_FORM)
    assert (matte[distance < 0.25 - 1.3 / 8] == 255).all()
    assert (matte[distance > 0.25 + 1.3 / 8] == 0).all()


def test_where_nothing_is_sure_the_outline_stays() -> None:
    depth = np.array([[0.5, -0.5], [0.4, -0.1]], np.float32)
    alpha = closed_form_alpha(np.zeros((2, 2, 3), np.float32), depth, 8)
    np.testing.assert_array_equal(alpha, [[1, 0], [1, 0]])
