from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from beam_deeplab.transforms.decoding.resizing import reduce_by_area, turn_as_stored, turn_upright
from tests import corpus


def area_weights(stored: int, covered: float, size: int) -> NDArray[np.float64]:
    """How much of each footprint lies in each stored pixel, in float64."""
    edges = np.arange(size + 1) * covered / size
    pixels = np.arange(stored)
    lower = np.maximum(edges[:-1, None], pixels)
    upper = np.minimum(edges[1:, None], pixels + 1)
    overlap = np.clip(upper - lower, 0, None)
    weights: NDArray[np.float64] = overlap / overlap.sum(axis=1, keepdims=True)
    return weights


def mean_by_area(
    pixels: NDArray[np.uint8],
    height: int,
    width: int,
    rows: float | None = None,
    columns: float | None = None,
) -> NDArray[np.float64]:
    vertical = area_weights(pixels.shape[0], rows or pixels.shape[0], height)
    horizontal = area_weights(pixels.shape[1], columns or pixels.shape[1], width)
    means: NDArray[np.float64] = np.einsum(
        "ij,jkc,lk->ilc", vertical, pixels.astype(float), horizontal, optimize=True
    )
    return means


@settings(max_examples=60, deadline=None)
@given(data=st.data(), seed=st.integers(0, 2**32 - 1))
def test_reduction_is_the_mean_over_the_area_rounded_once(data: st.DataObject, seed: int) -> None:
    rows, columns = data.draw(st.integers(1, 90)), data.draw(st.integers(1, 90))
    height, width = data.draw(st.integers(1, rows)), data.draw(st.integers(1, columns))
    # The last stored row and column may be covered in part, but never less than the result needs.
    covered_rows = max(height, rows - data.draw(st.integers(0, 7)) / 8)
    covered_columns = max(width, columns - data.draw(st.integers(0, 7)) / 8)
    pixels = np.random.default_rng(seed).integers(0, 256, (rows, columns, 3), np.uint8)
    reduced = reduce_by_area(pixels, height, width, covered_rows, covered_columns)
    exact = mean_by_area(pixels, height, width, covered_rows, covered_columns)
    assert reduced.shape == (height, width, 3)
    assert np.abs(reduced - exact).max() <= 0.5 + 1e-3


@pytest.mark.parametrize(
    ("stored", "covered", "size"),
    [
        ((3, 1), (2.375, 1), (2, 1)),
        ((514, 386), (513.25, 385.25), (513, 385)),
        ((514, 385), (513.25, 385), (513, 385)),
        ((2, 7), (2, 6.25), (2, 6)),
    ],
)
def test_a_reduction_by_less_than_a_pixel_is_no_copy(
    stored: tuple[int, int], covered: tuple[float, float], size: tuple[int, int]
) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (*stored, 3), np.uint8)
    reduced = reduce_by_area(pixels, *size, *covered)
    assert np.abs(reduced - mean_by_area(pixels, *size, *covered)).max() <= 0.5 + 1e-3


@pytest.mark.parametrize("turn", corpus.ORIENTATIONS)
def test_turning_upright_undoes_how_a_camera_stores(turn: int) -> None:
    upright = corpus.texture(12, 20)
    turned = turn_upright(np.ascontiguousarray(corpus.stored(upright, turn)), turn)
    np.testing.assert_array_equal(turned, upright)
    assert turned.flags.c_contiguous


@pytest.mark.parametrize("turn", corpus.ORIENTATIONS)
def test_turning_back_gives_what_a_camera_stores(turn: int) -> None:
    upright = corpus.texture(12, 20)
    stored = corpus.stored(upright, turn)[:, :, 0]
    np.testing.assert_array_equal(turn_as_stored(upright[:, :, 0], turn), stored)


@pytest.mark.parametrize("turn", [0, 9, -1])
def test_orientations_are_one_to_eight(turn: int) -> None:
    with pytest.raises(ValueError, match="1 to 8"):
        turn_upright(corpus.quadrants(), turn)
