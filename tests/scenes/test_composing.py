"""Scenes and their truth."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from beam_deeplab.scenes import atlas, composing
from beam_deeplab.scenes.composing import PlacedSprite, compose_scene, paste, scene_rng
from beam_deeplab.scenes.settings import SEEDS, SPLITS, SceneSettings, Split

NUMBERS = st.integers(0, SEEDS - 1)
SMALL = SceneSettings((48, 96))


@settings(max_examples=60)
@given(NUMBERS, NUMBERS, st.integers(32, 200), st.integers(0, 100), st.sampled_from(SPLITS))
def test_any_scene_is_valid_and_comes_again(
    seed: int, index: int, least: int, more: int, split: Split
) -> None:
    wanted = SceneSettings((least, least + more), split)
    scene = compose_scene(seed, index, wanted)
    assert scene.image.dtype == scene.truth.dtype == np.uint8
    assert scene.image.shape == (*scene.truth.shape, 3)
    assert least <= max(scene.truth.shape) <= least + more
    assert 1 <= max(scene.truth.shape) / min(scene.truth.shape) < 1.85
    assert scene.truth.max() <= 6
    again = compose_scene(seed, index, wanted)
    np.testing.assert_array_equal(again.image, scene.image)
    np.testing.assert_array_equal(again.truth, scene.truth)


def test_a_scene_does_not_depend_on_those_before_it() -> None:
    forwards = [compose_scene(5, index, SMALL).image.tobytes() for index in range(6)]
    backwards = [compose_scene(5, index, SMALL).image.tobytes() for index in reversed(range(6))]
    assert forwards == backwards[::-1]
    assert len(set(forwards)) == 6


_GOLDEN = {
    0: (
        (401, 301),
        {3: 3140},
        "29 32 49 61  34 70 106 125  56 112 145 137  74 132 128 96",
    ),
    5: (
        (453, 340),
        {5: 21191},
        "104 107 179 139  95 113 222 221  62 107 143 132  78 101 114 109",
    ),
}
"""Of scenes of seed 2026: shape, pixels by class, brightness on a grid of 4 x 4."""


@pytest.mark.parametrize("index", _GOLDEN)
def test_scenes_stay_what_the_bundled_model_was_trained_on(
    index: int,
) -> None:
    """With room for another processor's rounding."""
    shape, pixels, brightness = _GOLDEN[index]
    scene = compose_scene(2026, index)
    assert scene.truth.shape == shape
    counts = np.bincount(scene.truth.ravel(), minlength=7)
    expected = np.array([pixels.get(label, 0) for label in range(7)])
    np.testing.assert_allclose(counts[1:], expected[1:], atol=20)
    coarse = cv2.resize(scene.image, (4, 4), interpolation=cv2.INTER_AREA).mean(axis=-1)
    np.testing.assert_allclose(coarse.ravel(), list(map(int, brightness.split())), atol=1.5)


@given(NUMBERS, NUMBERS, NUMBERS, NUMBERS, st.integers(0, 3))
def test_no_public_scene_draws_the_random_numbers_of_a_training_scene(
    seed: int, index: int, train_seed: int, train_index: int, purpose: int
) -> None:
    training = scene_rng(train_seed, train_index, "train").bit_generator.state
    for split in ("test", "held_out"):
        for public in ((seed, index), (train_seed, train_index)):
            assert scene_rng(*public, split, purpose).bit_generator.state != training


@given(st.one_of(st.integers(SEEDS), st.integers(max_value=-1)))
def test_seeds_and_indices_that_would_leave_their_range_are_refused(number: int) -> None:
    for split in SPLITS:
        with pytest.raises(ValueError, match="seed of a scene is 0 to 4294967295"):
            compose_scene(number, 0, SceneSettings(split=split))
        with pytest.raises(ValueError, match="index of a scene is 0 to 4294967295"):
            compose_scene(0, number, SceneSettings(split=split))


@pytest.mark.parametrize("split", SPLITS)
def test_a_split_takes_its_own_emoji_only(split: Split, monkeypatch: pytest.MonkeyPatch) -> None:

    def only_own(held_out: bool) -> tuple[tuple[atlas.Sprite, ...], ...]:
        assert held_out == (split == "held_out")
        return atlas.sprites_by_class(held_out)

    monkeypatch.setattr(composing, "sprites_by_class", only_own)
    assert compose_scene(1, 1, SceneSettings((48, 96), split)).truth.any()


def test_classes_share_the_area_and_some_scenes_are_empty() -> None:
    counts = np.zeros(7, np.int64)
    empty = 0
    for index in range(300):
        truth = compose_scene(11, index, SMALL).truth
        counts += np.bincount(truth.ravel(), minlength=7)
        empty += not truth.any()
    shares = counts / counts.sum()
    assert 0.6 < shares[0] < 0.85
    assert shares[1:].min() > 0.02
    assert shares[1:].max() < 2.5 * shares[1:].min()
    assert 2 <= empty <= 25


def _square(class_id: int, alpha: float, top: int, left: int, side: int = 4) -> PlacedSprite:
    opacity = np.full((side, side), alpha, np.float32)
    return PlacedSprite(
        opacity[..., None] * np.array([200, 100, 0], np.float32), opacity, top, left, class_id
    )


def _blank() -> tuple[np.ndarray, np.ndarray]:
    return np.full((10, 12, 3), 50, np.float32), np.zeros((10, 12), np.uint8)


def test_a_later_emoji_hides_an_earlier_one_from_half_opacity_on() -> None:
    image, truth = _blank()
    paste(image, truth, _square(1, 1.0, 2, 2))
    paste(image, truth, _square(2, 0.49, 2, 4))
    paste(image, truth, _square(3, 0.5, 4, 2))
    assert truth[2:4, 2:6].tolist() == [[1, 1, 1, 1]] * 2
    assert truth[4:8, 2:6].tolist() == [[3] * 4] * 4
    assert np.count_nonzero(truth) == 8 + 16
    np.testing.assert_allclose(image[2, 2], [200, 100, 0])
    np.testing.assert_allclose(image[2, 6], 0.51 * 50 + 0.49 * np.array([200, 100, 0]), rtol=1e-6)


def test_an_emoji_that_is_covered_leaves_no_truth() -> None:
    image, truth = _blank()
    paste(image, truth, _square(1, 1.0, 3, 3))
    paste(image, truth, _square(6, 0.8, 2, 2, side=6))
    assert set(truth.ravel()) == {0, 6}


@given(st.integers(-8, 14), st.integers(-8, 14))
def test_what_lies_outside_is_cut_off(top: int, left: int) -> None:
    image, truth = _blank()
    paste(image, truth, _square(4, 1.0, top, left))
    expected = np.zeros((40, 40), np.uint8)
    expected[10 + top : 14 + top, 10 + left : 14 + left] = 4
    np.testing.assert_array_equal(truth, expected[10:20, 10:22])
    np.testing.assert_array_equal(np.any(image != 50, axis=-1), truth == 4)


@pytest.mark.parametrize("size", [(31, 40), (50, 49), (32, 16384)])
def test_sizes_that_cannot_be_are_refused(size: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="shortest and the longest long side"):
        SceneSettings(size)


def test_another_split_is_refused() -> None:
    with pytest.raises(ValueError, match="one of test, train, held_out, not 'val'"):
        SceneSettings(split="val")  # type: ignore[arg-type]
