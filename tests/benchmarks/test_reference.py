"""The float64 definition that benchmarks judge label maps by."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from beam_deeplab.transforms.masks.label_maps import label_map
from benchmarks.reference import wrong_pixels
from tests.direct_evaluation import interpolated

STRIDE = 4


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    content=st.tuples(st.integers(1, 21), st.integers(1, 21)),
    original=st.tuples(st.integers(1, 90), st.integers(1, 90)),
)
def test_counts_exactly_the_pixels_that_the_definition_gives_another_label(
    seed: int, content: tuple[int, int], original: tuple[int, int]
) -> None:
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(6, 6, 5)).astype(np.float32)
    values = interpolated(logits, STRIDE, content, original)
    winners = values.argmax(axis=2).astype(np.uint8)
    changed = rng.random(original) < 0.2
    spoilt = np.where(changed, (winners + 1) % 5, winners).astype(np.uint8)
    counts = wrong_pixels([winners, spoilt], logits, STRIDE, content)
    assert counts == [0, int(changed.sum())]


def test_a_tie_is_not_wrong_whichever_label_it_gets() -> None:
    logits = np.zeros((3, 3, 2), np.float32)
    both = [np.zeros((9, 9), np.uint8), np.ones((9, 9), np.uint8)]
    assert wrong_pixels(both, logits, STRIDE, (9, 9)) == [0, 0]


def test_our_label_maps_are_right_by_it() -> None:
    logits = np.random.default_rng(7).normal(size=(33, 33, 21)).astype(np.float32)
    content, original = (513, 385), (1033, 771)
    labels = label_map(logits, 16, content, original)
    assert wrong_pixels([labels], logits, 16, content) == [0]
