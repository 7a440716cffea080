from __future__ import annotations

import numpy as np
from hypothesis import given

from beam_deeplab.transforms.rendering.redact import block_side, covered, fill, pixelate
from tests.transforms.rendering.subjects import Scene, scenes


@given(scenes())
def test_blocks_with_a_covered_pixel_have_one_colour_and_the_others_stay(scene: Scene) -> None:
    cover = covered(scene.matte)
    result = pixelate(scene.picture, cover)
    side = block_side(*cover.shape)
    for top in range(0, cover.shape[0], side):
        for left in range(0, cover.shape[1], side):
            place = slice(top, top + side), slice(left, left + side)
            if cover[place].any():
                assert (result[place] == result[top, left]).all()
            else:
                np.testing.assert_array_equal(result[place], scene.picture[place])


def test_a_block_has_its_mean_colour() -> None:
    picture = np.zeros((16, 16, 3), np.uint8)
    picture[:8, :4] = 200
    cover = np.zeros((16, 16), bool)
    cover[0, 0] = True
    assert (pixelate(picture, cover)[:8, :8] == 100).all()


def test_blocks_grow_with_the_picture() -> None:
    assert block_side(100, 100) == 8
    assert block_side(3000, 4000) == 125


@given(scenes())
def test_filling_colours_what_is_covered_and_nothing_else(scene: Scene) -> None:
    cover = covered(scene.matte)
    result = fill(scene.picture, cover, (1, 2, 3))
    assert (result[cover] == (1, 2, 3)).all()
    np.testing.assert_array_equal(result[~cover], scene.picture[~cover])


def test_what_may_be_subject_is_covered() -> None:
    assert covered(np.array([[0, 63, 64, 255]], np.uint8)).tolist() == [[False, False, True, True]]
