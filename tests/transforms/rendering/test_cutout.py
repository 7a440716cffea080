from __future__ import annotations

import numpy as np
from hypothesis import given

from beam_deeplab.transforms.rendering.cutout import before, cutout, subject_colours
from tests.transforms.rendering.subjects import Scene, scenes


@given(scenes())
def test_the_subject_is_the_picture_and_nothing_else_is_left(scene: Scene) -> None:
    result = cutout(scene.picture, scene.matte)
    np.testing.assert_array_equal(result[..., 3], scene.matte)
    inside = scene.matte == 255
    np.testing.assert_array_equal(result[inside, :3], scene.picture[inside])
    assert not result[scene.matte == 0].any()


@given(scenes())
def test_before_another_background_the_subject_is_the_picture_too(scene: Scene) -> None:
    result = before(scene.picture, scene.matte, np.full((3, 2, 3), (1, 2, 3), np.uint8))
    inside = scene.matte == 255
    np.testing.assert_array_equal(result[inside], scene.picture[inside])
    assert (result[scene.matte == 0] == (1, 2, 3)).all()


def test_a_background_covers_the_picture_with_its_middle() -> None:
    matte = np.zeros((20, 30), np.uint8)
    picture = np.zeros((20, 30, 3), np.uint8)
    background = np.zeros((40, 200, 3), np.uint8)
    background[:, 100:] = 255  # white right of the middle
    result = before(picture, matte, background)
    assert (result[:, :14] == 0).all()
    assert (result[:, 16:] == 255).all()


def test_half_covered_pixels_lose_the_backgrounds_colour() -> None:
    red, green = np.array([200, 20, 20]), np.array([20, 200, 20])
    matte = np.zeros((64, 64), np.uint8)
    matte[:, :30], matte[:, 30:34] = 255, 128
    share = matte[..., None] / 255
    picture = np.rint(share * red + (1 - share) * green).astype(np.uint8)
    edge = subject_colours(picture, matte)[:, 30:34].reshape(-1, 3)
    # From 110 of each to nearly the subject's own.
    assert (edge[:, 0] > 180).all()
    assert (edge[:, 1] < 45).all()
