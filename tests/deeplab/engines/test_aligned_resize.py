from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from beam_deeplab.deeplab.engines.aligned_resize import resize_aligned

SIDES = st.integers(1, 40)
SIZES = st.tuples(SIDES, SIDES)
SEEDS = st.integers(0, 2**32 - 1)


def _noise(size: tuple[int, int], seed: int, channels: int = 3) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.uniform(-1, 1, (2, *size, channels)).astype(np.float32)


def _matrix(points: int, side: int) -> np.ndarray:
    """How much each new point of a side draws from each old one, in float64."""
    position = np.arange(points) * (side - 1) / max(points - 1, 1)
    return (1 - np.abs(position[:, None] - np.arange(side))).clip(min=0)


@given(old=SIZES, new=SIZES, seed=SEEDS)
def test_it_is_bilinear_interpolation(
    old: tuple[int, int], new: tuple[int, int], seed: int
) -> None:
    images = _noise(old, seed)
    down, across = _matrix(new[0], old[0]), _matrix(new[1], old[1])
    expected = np.einsum("yh,xw,nhwc->nyxc", down, across, images.astype(np.float64))
    resized = resize_aligned(images, new)
    assert resized.dtype == np.float32
    assert resized.shape == (2, *new, 3)
    # Positions of up to 40 have in float32 an error of up to 40 * 2**-23.
    np.testing.assert_allclose(resized, expected, atol=2e-5)


@given(old=SIZES, new=SIZES, seed=SEEDS)
def test_values_stay_in_range_and_corners_are_corners(
    old: tuple[int, int], new: tuple[int, int], seed: int
) -> None:
    images = _noise(old, seed)
    resized = resize_aligned(images, new)
    assert resized.min() >= images.min() - 1e-6
    assert resized.max() <= images.max() + 1e-6
    np.testing.assert_array_equal(resized[:, 0, 0], images[:, 0, 0])
    if min(new) > 1:
        np.testing.assert_allclose(resized[:, -1, -1], images[:, -1, -1], atol=2e-5)


@given(size=SIZES, factor=st.integers(1, 5), seed=SEEDS)
def test_the_old_points_of_a_grid_that_holds_them_keep_their_values(
    size: tuple[int, int], factor: int, seed: int
) -> None:
    images = _noise(size, seed)
    finer = resize_aligned(images, ((size[0] - 1) * factor + 1, (size[1] - 1) * factor + 1))
    np.testing.assert_allclose(finer[:, ::factor, ::factor], images, atol=2e-5)


def test_the_same_size_is_the_same_array() -> None:
    images = _noise((7, 9), 0)
    assert resize_aligned(images, (7, 9)) is images


def test_the_argument_is_left_as_it_was() -> None:
    images = _noise((7, 9), 0)
    before = images.copy()
    resize_aligned(images, (13, 5))
    np.testing.assert_array_equal(images, before)


@pytest.mark.parametrize("new", [(257, 257), (385, 449), (641, 513), (897, 897), (1, 1), (33, 1)])
def test_it_is_tensorflow_s(new: tuple[int, int]) -> None:
    import tensorflow as tf

    images = _noise((513, 513), 1)
    expected = tf.compat.v1.image.resize_bilinear(images, new, align_corners=True).numpy()
    np.testing.assert_allclose(resize_aligned(images, new), expected, rtol=0, atol=1e-6)
