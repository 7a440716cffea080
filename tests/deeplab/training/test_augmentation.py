from __future__ import annotations

import colorsys
import subprocess
import sys

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from beam_deeplab.deeplab.training.augmentation import (
    View,
    color_matrix,
    draw_view,
    look,
    shuffled_order,
)
from beam_deeplab.deeplab.training.config import InputConfig
from beam_deeplab.deeplab.training.samples import Sample
from tests.shapes import draw_shapes

EVERYTHING = InputConfig(scale=(0.5, 2.0), brightness=0.1, contrast=0.2, saturation=0.3, hue=0.05)
IDENTITY = View()


def _pixels(network_input: np.ndarray) -> np.ndarray:
    return (network_input + 1) * 127.5


def test_without_changes_the_content_lies_at_the_canvas_s_corner() -> None:
    image, truth = draw_shapes(0)
    seen, ids = look(Sample(image, truth), IDENTITY, (65, 81))
    assert (seen.shape, str(seen.dtype)) == ((65, 81, 3), "float32")
    assert (ids.shape, str(ids.dtype)) == ((65, 81), "uint8")
    expected = (2 / 255 * image.astype(np.float64) - 1).astype(np.float32)
    np.testing.assert_allclose(seen[:48, :64], expected, atol=1e-7)
    np.testing.assert_array_equal(ids[:48, :64], truth)
    assert not seen[48:].any()
    assert not seen[:, 64:].any()
    assert (ids[48:] == 255).all()
    assert (ids[:, 64:] == 255).all()


views = st.builds(
    View,
    scale=st.floats(0.3, 3),
    top=st.floats(0, 1),
    left=st.floats(0, 1),
    flipped=st.booleans(),
)


@given(views, st.integers(8, 60), st.integers(8, 60), st.integers(0, 100))
def test_truth_stays_on_its_picture(view: View, height: int, width: int, seed: int) -> None:
    # The ids are painted into the picture, so that both must agree wherever colours are pure.
    blocks = np.random.default_rng(seed).integers(0, 3, (6, 7), np.uint8)
    truth = cv2.resize(blocks, (width, height), interpolation=cv2.INTER_NEAREST_EXACT)
    image = np.eye(3, dtype=np.uint8)[truth] * np.uint8(255)
    seen, ids = look(Sample(image, truth), view, (33, 49))
    pixels = _pixels(seen)
    pure = pixels.max(axis=-1) > 254
    np.testing.assert_array_equal(pixels.argmax(axis=-1)[pure], ids[pure])
    padding = ids == 255
    assert not seen[padding].any()
    rows, columns = (~padding).any(axis=1).sum(), (~padding).any(axis=0).sum()
    assert rows == min(33, max(1, round(height * view.scale)))
    assert columns == min(49, max(1, round(width * view.scale)))
    assert (~padding).sum() == rows * columns


def test_crops_reach_every_edge() -> None:
    truth = np.arange(100, dtype=np.uint8)[:, None].repeat(100, axis=1)
    sample = Sample(np.zeros((100, 100, 3), np.uint8), truth)
    first = look(sample, View(top=0.0), (33, 33))[1]
    last = look(sample, View(top=1.0), (33, 33))[1]
    assert (first[0, 0], first[-1, 0], last[0, 0], last[-1, 0]) == (0, 32, 67, 99)


def test_a_mirrored_view_is_the_mirrored_content() -> None:
    image, truth = draw_shapes(3)
    plain, plain_ids = look(Sample(image, truth), IDENTITY, (49, 65))
    mirrored, ids = look(Sample(image, truth), View(flipped=True), (49, 65))
    np.testing.assert_array_equal(mirrored[:48, :64], plain[:48, :64][:, ::-1])
    np.testing.assert_array_equal(ids[:48, :64], plain_ids[:48, :64][:, ::-1])


@pytest.mark.parametrize(
    ("view", "color", "expected"),
    [
        (View(brightness=0.1), (10, 100, 250), (35.5, 125.5, 255)),
        (View(contrast=0.5), (0, 127.5, 255), (63.75, 127.5, 191.25)),
        (View(saturation=0.0), (200, 100, 50), (124.2, 124.2, 124.2)),
        (View(hue=0.25), (90, 90, 90), (90, 90, 90)),
    ],
)
def test_colours_change_as_they_are_told(
    view: View, color: tuple[float, ...], expected: tuple[float, ...]
) -> None:
    matrix = color_matrix(view)
    assert matrix is not None
    changed = np.clip(matrix[:, :3] @ np.array(color) + matrix[:, 3], 0, 255)
    np.testing.assert_allclose(changed, expected, atol=0.4)


def test_a_turn_of_hue_turns_hue_and_keeps_luma() -> None:
    color = np.array([180.0, 90.0, 60.0])
    matrix = color_matrix(View(hue=1 / 12))
    assert matrix is not None
    turned = matrix[:, :3] @ color + matrix[:, 3]
    luma = np.array([0.299, 0.587, 0.114])
    assert luma @ turned == pytest.approx(luma @ color, abs=0.1)
    before, after = (colorsys.rgb_to_hsv(*values / 255)[0] for values in (color, turned))
    assert 0.04 < min((after - before) % 1, (before - after) % 1) < 0.13
    assert color_matrix(IDENTITY) is None


def test_views_stay_within_their_bounds() -> None:
    drawn = [draw_view(EVERYTHING, 3, 1, picture) for picture in range(500)]
    scales = np.array([view.scale for view in drawn])
    assert 0.5 <= scales.min() < 0.52
    assert 1.9 < scales.max() <= 2.0
    assert np.median(scales) == pytest.approx(1.0, abs=0.12)
    assert 200 < sum(view.flipped for view in drawn) < 300
    assert max(abs(view.brightness) for view in drawn) <= 0.1
    assert max(abs(view.contrast - 1) for view in drawn) <= 0.2
    assert max(abs(view.saturation - 1) for view in drawn) <= 0.3
    assert max(abs(view.hue) for view in drawn) <= 0.05
    still = draw_view(InputConfig(scale=(1, 1), flip=False), 3, 1, 7)
    assert (still.scale, still.flipped, color_matrix(still)) == (1.0, False, None)


def test_an_epoch_s_order_and_views_are_its_own_and_the_same_everywhere() -> None:
    assert sorted(shuffled_order(50, 1, 2)) == list(range(50))
    assert shuffled_order(50, 1, 2).tolist() != shuffled_order(50, 1, 3).tolist()
    assert draw_view(EVERYTHING, 1, 2, 3) != draw_view(EVERYTHING, 1, 3, 3)
    assert draw_view(EVERYTHING, 1, 2, 3) != draw_view(EVERYTHING, 1, 2, 4)
    assert draw_view(EVERYTHING, 1, 2, 3) != draw_view(EVERYTHING, 2, 2, 3)
    program = (
        "from tests.deeplab.training.test_augmentation import *\n"
        "print(draw_view(EVERYTHING, 1, 2, 3), shuffled_order(9, 1, 2).tolist())"
    )
    elsewhere = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    here = f"{draw_view(EVERYTHING, 1, 2, 3)} {shuffled_order(9, 1, 2).tolist()}"
    assert elsewhere.stdout.strip() == here
