from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from beam_deeplab.transforms.rendering import strips
from beam_deeplab.transforms.rendering.strips import enlarged_strips, reduce_in_strips

SIDES = st.integers(1, 40)


@given(SIDES, SIDES, st.integers(1, 5), st.integers(1, 9), st.integers(0, 2**32 - 1))
def test_strips_come_to_what_the_whole_picture_does(
    height: int, width: int, factor: int, rows: int, seed: int
) -> None:
    picture = np.random.default_rng(seed).random((height, width, 3), np.float32)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(strips, "_ROWS", 10_000)
        whole = reduce_in_strips(height, width, factor, lambda rows: picture[rows])
        (_, large), *more = enlarged_strips(whole, factor, height, width)
        assert not more
        patch.setattr(strips, "_ROWS", rows)
        reduced = reduce_in_strips(height, width, factor, lambda rows: picture[rows])
        enlarged = list(enlarged_strips(whole, factor, height, width))
    np.testing.assert_allclose(reduced, whole, atol=1e-6)
    np.testing.assert_allclose(np.concatenate([strip for _, strip in enlarged]), large, atol=1e-6)
    assert [row for rows, _ in enlarged for row in range(rows.start, rows.stop)] == list(
        range(height)
    )


@given(SIDES, SIDES, st.integers(1, 5), st.integers(0, 2**32 - 1))
def test_a_reduced_copy_holds_the_means(height: int, width: int, factor: int, seed: int) -> None:
    picture = np.random.default_rng(seed).random((height * factor, width * factor, 1), np.float32)
    reduced = reduce_in_strips(height * factor, width * factor, factor, lambda rows: picture[rows])
    means = picture.reshape(height, factor, width, factor).mean(axis=(1, 3))
    np.testing.assert_allclose(reduced[..., 0], means, atol=1e-6)
