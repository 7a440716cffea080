"""Pixels that a mask leaves out, against the direct evaluation of their probabilities."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from beam_deeplab.transforms.masks.label_maps import label_map, segment_logits
from beam_deeplab.transforms.records import ImageRef, LogitsGrid, Original, Segmentation
from tests.direct_evaluation import own_probabilities
from tests.placed_logits import PlacedLogits, placed_logits

_PALETTE = bytes(768)


def _segment(placed: PlacedLogits, ignore_below: float) -> tuple[Segmentation, NDArray[np.uint8]]:
    answer = LogitsGrid(
        ImageRef("a.jpg"), placed.logits, placed.stride, *placed.content, Original(*placed.original)
    )
    names = tuple(f"class {label}" for label in range(placed.logits.shape[2]))
    found = segment_logits(answer, names, _PALETTE, ignore_below)
    with Image.open(io.BytesIO(found.mask_png)) as picture:
        return found, np.asarray(picture)


def _assert_unsure_pixels_are_ignored(placed: PlacedLogits, limit: float) -> None:
    found, labels = _segment(placed, limit)
    placing = placed.stride, placed.content, placed.original
    whole = label_map(placed.logits, *placing)
    direct = own_probabilities(placed.logits, whole, *placing)
    kept = labels != 255
    np.testing.assert_array_equal(labels[kept], whole[kept])
    close = np.abs(direct - limit) < 1e-6
    np.testing.assert_array_equal((kept | close), (direct >= limit) | close)
    present, counts = np.unique(labels[kept], return_counts=True)
    assert [(area.class_id, area.pixels) for area in found.areas] == list(
        zip(present.tolist(), counts.tolist(), strict=True)
    )
    for area in found.areas:
        assert area.fraction == area.pixels / labels.size
        own = direct[labels == area.class_id].mean()
        assert area.mean_confidence == pytest.approx(own, rel=1e-5)


@given(placed=placed_logits(), limit=st.floats(0.01, 1))
def test_pixels_below_the_limit_are_255_and_in_no_area(placed: PlacedLogits, limit: float) -> None:
    _assert_unsure_pixels_are_ignored(placed, limit)


@given(placed=placed_logits(exact=True, max_classes=4), limit=st.sampled_from([0.25, 0.5, 1.0]))
def test_many_ties(placed: PlacedLogits, limit: float) -> None:
    _assert_unsure_pixels_are_ignored(placed, limit)


def test_a_picture_of_several_bands() -> None:
    """Of more pixels than are looked at at once, with 151 classes."""
    rng = np.random.default_rng(3)
    logits = 3 * rng.standard_normal((9, 33, 151), np.float32)
    _assert_unsure_pixels_are_ignored(PlacedLogits(logits, 16, (129, 513), (300, 1200)), 0.3)


@given(placed_logits())
def test_no_limit_and_a_limit_that_all_reach_are_the_same(placed: PlacedLogits) -> None:
    nothing, labels = _segment(placed, 0.0)
    all_reach, same = _segment(placed, 1e-30)
    np.testing.assert_array_equal(labels, same)
    for one, other in zip(nothing.areas, all_reach.areas, strict=True):
        assert (one.class_id, one.pixels) == (other.class_id, other.pixels)
        assert one.mean_confidence == pytest.approx(other.mean_confidence, rel=1e-9)


def test_a_picture_may_be_left_out_whole() -> None:
    found, labels = _segment(
        PlacedLogits(np.zeros((2, 2, 4), np.float32), 8, (9, 9), (20, 30)), 0.3
    )
    assert found.areas == ()
    assert (labels == 255).all()
