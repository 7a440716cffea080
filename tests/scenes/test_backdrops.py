"""Backgrounds of scenes."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from beam_deeplab.scenes.backdrops import paint_backdrop, random_colour

SEEDS = st.integers(0, 2**32 - 1)


@given(SEEDS, st.integers(18, 200), st.integers(32, 200))
def test_any_backdrop_has_its_size_and_range(seed: int, height: int, width: int) -> None:
    pixels = paint_backdrop(np.random.default_rng(seed), height, width)
    assert pixels.shape == (height, width, 3)
    assert pixels.dtype == np.float32
    assert np.isfinite(pixels).all()
    assert pixels.min() >= 0
    assert pixels.max() <= 255


def test_backdrops_differ_in_light_and_structure() -> None:
    pictures = [paint_backdrop(np.random.default_rng(seed), 64, 96) for seed in range(60)]
    means = [picture.mean() for picture in pictures]
    assert min(means) < 60
    assert max(means) > 150
    details = [np.abs(np.diff(picture, axis=1)).mean() for picture in pictures]
    assert min(details) < 2
    assert max(details) > 12


def test_colours_reach_every_hue_and_are_often_grey() -> None:
    colours = np.stack([random_colour(np.random.default_rng(seed)) for seed in range(300)])
    assert colours.min() >= 0
    assert colours.max() <= 255
    assert set(colours.argmax(axis=1)) == {0, 1, 2}
    saturation = 1 - colours.min(axis=1) / colours.max(axis=1)
    assert np.mean(saturation < 0.2) > 0.1
    assert np.mean(saturation > 0.8) > 0.05
