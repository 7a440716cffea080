"""Pictures on the canvas and pixels on the grid."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from beam_deeplab.transforms.geometry import (
    Canvas,
    content_coordinates,
    fit_size,
    grid_axis,
    prefix_sums,
)

SIDES = st.integers(1, 20_000)
CANVASES = st.builds(Canvas, st.integers(1, 2_049), st.integers(1, 2_049))


@pytest.mark.parametrize(
    ("canvas", "stride", "grid"),
    [
        (Canvas(513, 513), 16, (33, 33)),
        (Canvas(513, 513), 8, (65, 65)),
        (Canvas(1025, 2049), 16, (65, 129)),
        (Canvas(1, 1), 16, (1, 1)),
        (Canvas(17, 1), 16, (2, 1)),
    ],
)
def test_canvas_and_grid_share_corners(canvas: Canvas, stride: int, grid: tuple[int, int]) -> None:
    assert canvas.grid_size(stride) == grid


def test_a_canvas_that_does_not_share_the_grids_corners_is_refused_with_the_next_sizes() -> None:
    with pytest.raises(ValueError, match="use 497 or 513, not 512"):
        Canvas(513, 512).grid_size(16)
    with pytest.raises(ValueError, match="use 1 or 17, not 8"):
        Canvas(8, 17).grid_size(16)


@pytest.mark.parametrize("sides", [(0, 513), (513, 0), (-1, 5)])
def test_a_canvas_without_pixels_is_refused(sides: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="at least 1 pixel"):
        Canvas(*sides)


@pytest.mark.parametrize(
    ("picture", "canvas", "content"),
    [
        ((375, 500), Canvas(513, 513), (375, 500)),
        ((513, 513), Canvas(513, 513), (513, 513)),
        ((514, 513), Canvas(513, 513), (513, 512)),
        ((3000, 4000), Canvas(513, 513), (385, 513)),  # 384.75
        ((4000, 3000), Canvas(513, 513), (513, 385)),
        ((1024, 2048), Canvas(1025, 2049), (1024, 2048)),
        ((2160, 3840), Canvas(1025, 2049), (1025, 1822)),  # 1822.2
        ((4, 6), Canvas(3, 3), (2, 3)),
        ((6, 4), Canvas(9, 2), (3, 2)),
        ((20, 5), Canvas(10, 9), (10, 3)),  # 2.5: halves go up
        ((20_000, 1), Canvas(513, 513), (513, 1)),  # 0.03: at least 1
        ((1, 20_000), Canvas(513, 513), (1, 513)),
    ],
)
def test_fit_size(picture: tuple[int, int], canvas: Canvas, content: tuple[int, int]) -> None:
    assert fit_size(*picture, canvas) == content


@given(SIDES, SIDES, CANVASES)
def test_a_picture_fits_and_is_never_enlarged(height: int, width: int, canvas: Canvas) -> None:
    content_height, content_width = fit_size(height, width, canvas)
    assert 1 <= content_height <= min(height, canvas.height)
    assert 1 <= content_width <= min(width, canvas.width)
    if height <= canvas.height and width <= canvas.width:
        assert (content_height, content_width) == (height, width)
    else:
        assert content_height == canvas.height or content_width == canvas.width


@given(SIDES, SIDES, CANVASES)
def test_a_reduced_picture_keeps_its_aspect_to_half_a_pixel(
    height: int, width: int, canvas: Canvas
) -> None:
    assume(height > canvas.height or width > canvas.width)
    scale = min(Fraction(canvas.height, height), Fraction(canvas.width, width))
    for side, content in zip((height, width), fit_size(height, width, canvas), strict=True):
        assert content == 1 or abs(side * scale - content) <= Fraction(1, 2)


@given(SIDES, SIDES, CANVASES)
def test_a_turned_picture_on_a_turned_canvas_has_the_turned_size(
    height: int, width: int, canvas: Canvas
) -> None:
    turned = fit_size(width, height, Canvas(canvas.width, canvas.height))
    assert turned == fit_size(height, width, canvas)[::-1]


@given(SIDES, SIDES, CANVASES)
def test_what_fits_is_not_fitted_again(height: int, width: int, canvas: Canvas) -> None:
    content = fit_size(height, width, canvas)
    assert fit_size(*content, canvas) == content


def test_a_picture_without_pixels_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 1 pixel"):
        fit_size(0, 5, Canvas(513, 513))


def test_content_coordinates_by_hand() -> None:
    # Four pixels over two: centres 0.25, 0.75, 1.25, 1.75 less a half, kept inside.
    np.testing.assert_array_equal(content_coordinates(4, 2), [0, 0.25, 0.75, 1])
    np.testing.assert_array_equal(content_coordinates(8, 2)[:5], [0, 0, 0.125, 0.375, 0.625])
    np.testing.assert_array_equal(content_coordinates(5, 1), np.zeros(5))
    np.testing.assert_array_equal(content_coordinates(1, 1), [0])


@given(SIDES)
def test_pixels_of_a_picture_that_was_not_reduced_stay_where_they_are(side: int) -> None:
    np.testing.assert_array_equal(content_coordinates(side, side), np.arange(side))


@given(SIDES, SIDES)
def test_coordinates_are_ascending_symmetric_and_on_the_content(first: int, second: int) -> None:
    original, content = max(first, second), min(first, second)
    coordinates = content_coordinates(original, content)
    assert coordinates.shape == (original,)
    assert coordinates.dtype == np.float64
    assert coordinates[0] >= 0
    assert coordinates[-1] <= content - 1
    assert (np.diff(coordinates) >= 0).all()
    np.testing.assert_allclose(
        coordinates + coordinates[::-1], content - 1, rtol=0, atol=1e-9 * content
    )


@given(SIDES, SIDES)
def test_coordinates_lead_back_to_their_pixels(first: int, second: int) -> None:
    original, content = max(first, second), min(first, second)
    coordinates = content_coordinates(original, content)
    inside = (coordinates > 0) & (coordinates < content - 1)
    pixels = (coordinates + 0.5) * original / content - 0.5
    np.testing.assert_allclose(pixels[inside], np.arange(original)[inside], rtol=0, atol=1e-7)
    # What is kept inside lies within half a pixel of the content, half-pixel convention.
    clipped = np.flatnonzero(~inside)
    beyond = np.minimum(clipped, original - 1 - clipped)
    assert (beyond <= 0.5 * original / content).all()


@pytest.mark.parametrize("sizes", [(0, 1), (1, 0)])
def test_sides_without_pixels_are_refused(sizes: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="at least 1 pixel"):
        content_coordinates(*sizes)


@st.composite
def laid_sides(draw: st.DrawFn) -> tuple[int, int, int, int]:
    stride = draw(st.sampled_from([1, 2, 4, 8, 16, 32]))
    points = draw(st.integers(1, 40))
    content = draw(st.integers(1, (points - 1) * stride + 1))
    original = draw(st.one_of(st.just(content), st.integers(content, 5_000)))
    return original, content, stride, points


@given(laid_sides())
def test_every_pixel_lies_in_its_cell(side: tuple[int, int, int, int]) -> None:
    original, content, stride, points = side
    axis = grid_axis(*side)
    assert axis.pixels == original
    assert 1 <= axis.cells <= max(points - 1, 1)
    assert axis.cell_sizes().sum() == original
    assert axis.cell_sizes()[-1] > 0
    cell = np.repeat(np.arange(axis.cells), axis.cell_sizes())
    np.testing.assert_array_equal(axis.coordinates, content_coordinates(original, content) / stride)
    np.testing.assert_array_equal(axis.offsets, axis.coordinates - cell)
    assert (axis.offsets >= 0).all()
    assert (axis.offsets[cell < axis.cells - 1] < 1).all()
    assert axis.offsets.max() <= 1


@given(laid_sides())
def test_cell_weights_are_sums_over_the_cells_pixels(side: tuple[int, int, int, int]) -> None:
    axis = grid_axis(*side)
    for cell, (first, second) in enumerate(axis.cell_weights()):
        offsets = axis.offsets[axis.bounds[cell] : axis.bounds[cell + 1]]
        np.testing.assert_allclose(second, offsets.sum(), rtol=0, atol=1e-9)
        np.testing.assert_allclose(first, (1 - offsets).sum(), rtol=0, atol=1e-9)


def test_a_pixel_on_the_last_grid_point_belongs_to_the_cell_before_it() -> None:
    axis = grid_axis(33, 33, 16, 3)
    assert axis.bounds.tolist() == [0, 16, 33]
    assert axis.offsets[-1] == 1


def test_content_that_ends_inside_a_cell_reaches_no_further() -> None:
    axis = grid_axis(20, 20, 16, 33)
    assert axis.bounds.tolist() == [0, 16, 20]


def test_a_grid_of_one_point_is_one_cell() -> None:
    axis = grid_axis(7, 1, 16, 1)
    assert axis.bounds.tolist() == [0, 7]
    assert axis.offsets.tolist() == [0.0] * 7


@pytest.mark.parametrize(
    ("side", "message"),
    [
        ((18, 18, 16, 2), "content of 18 pixels does not fit a grid of 2 points at stride 16"),
        ((9, 9, 0, 2), "at least 1"),
        ((9, 9, 16, 0), "at least 1"),
    ],
)
def test_sides_that_cannot_be_laid_are_refused(
    side: tuple[int, int, int, int], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        grid_axis(*side)


def test_prefix_sums() -> None:
    assert prefix_sums(np.array([0.5, 0.25, 1.0])).tolist() == [0.0, 0.5, 0.75, 1.75]
