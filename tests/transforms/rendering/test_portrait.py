from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from beam_deeplab.transforms.rendering.portrait import (
    background_light,
    blend,
    disc_kernel,
    disc_radius,
    portrait,
)
from beam_deeplab.transforms.rendering.strips import enlarged_strips
from tests.transforms.rendering.subjects import Scene, scenes

RADII = st.floats(0.6, 40)


@given(scenes(), RADII)
def test_where_all_is_subject_the_picture_stays(scene: Scene, radius: float) -> None:
    result = portrait(scene.picture, scene.matte, radius)
    inside = scene.matte == 255
    np.testing.assert_array_equal(result[inside], scene.picture[inside])
    assert result.shape == scene.picture.shape
    assert result.dtype == np.uint8


@given(scenes(), RADII, st.integers(0, 2**32 - 1))
def test_the_subjects_colours_reach_no_pixel_of_the_background(
    scene: Scene, radius: float, seed: int
) -> None:
    inside = scene.matte == 255
    recoloured = scene.picture.copy()
    recoloured[inside] = np.random.default_rng(seed).integers(0, 256, (inside.sum(), 3))
    before = portrait(scene.picture, scene.matte, radius)
    after = portrait(recoloured, scene.matte, radius)
    np.testing.assert_array_equal(after[~inside], before[~inside])


@given(scenes(), RADII, st.tuples(*[st.integers(0, 255)] * 3))
def test_a_background_of_one_colour_keeps_it(
    scene: Scene, radius: float, colour: tuple[int, int, int]
) -> None:
    picture = scene.picture.copy()
    picture[scene.matte < 255] = colour
    np.testing.assert_array_equal(portrait(picture, scene.matte, radius), picture)


@given(scenes())
def test_strength_0_changes_nothing(scene: Scene) -> None:
    radius = disc_radius(0, *scene.matte.shape)
    np.testing.assert_array_equal(portrait(scene.picture, scene.matte, radius), scene.picture)


@pytest.mark.parametrize("radius", [1, 2.5, 4, 4.2, 7, 15, 31, 60])
def test_a_point_of_light_becomes_a_disc_with_its_energy(radius: float) -> None:
    side = 4 * int(radius) + 41
    picture = np.zeros((side, side, 3), np.uint8)
    middle = side // 2
    picture[middle, middle] = 255
    matte = np.zeros((side, side), np.uint8)
    light, factor = background_light(picture, matte, radius)
    disc = np.concatenate([strip for _, strip in enlarged_strips(light, factor, side, side)])
    np.testing.assert_allclose(disc.sum(axis=(0, 1)), 1, rtol=0.01)
    rows, columns = np.mgrid[:side, :side] - middle
    distance = np.hypot(rows, columns)
    # Even inside, nothing outside, on a copy within its pixels.
    blurred = 1 if factor == 1 else 2.5 * factor
    inside = disc[distance < radius - blurred]
    np.testing.assert_allclose(inside, 1 / (np.pi * radius**2), rtol=0.12)
    assert (disc[distance > radius + blurred] < 1e-3 / radius**2).all()


@given(st.floats(0, 20))
def test_a_kernel_sums_to_1_and_is_as_wide_as_its_disc(radius: float) -> None:
    kernel = disc_kernel(radius)
    assert kernel.sum() == pytest.approx(1, abs=1e-5)
    assert kernel.shape[0] <= 2 * max(radius, 0.5) + 2
    np.testing.assert_array_equal(kernel, kernel.T)
    np.testing.assert_array_equal(kernel, kernel[::-1])


def test_the_radius_grows_with_strength_and_size() -> None:
    assert disc_radius(1, 3000, 4000) == 2 * disc_radius(0.5, 4000, 3000)
    assert disc_radius(1, 3000, 4000) == 10 * disc_radius(1, 300, 400)


@given(scenes())
def test_blending_a_picture_with_itself_changes_nothing(scene: Scene) -> None:
    blended = blend(scene.picture, scene.picture.copy(), scene.matte)
    np.testing.assert_array_equal(blended, scene.picture)
