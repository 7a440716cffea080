"""Where a picture lies on the network's canvas, and its pixels on the grid of logits.

A picture larger than the canvas is reduced to fit inside it, a smaller one keeps its size; either
way its top-left corner is the canvas's. Coordinates follow the half-pixel convention of area
resampling, and the canvas shares its corners with the grid of logits, as in the official DeepLab
graphs (``align_corners``).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, order=True)
class Canvas:
    """The size that a network's input is padded to.

    Attributes:
        height: Rows, at least 1.
        width: Columns, at least 1.

    Raises:
        ValueError: A side is less than 1.
    """

    height: int
    width: int

    def __post_init__(self) -> None:
        if self.height < 1 or self.width < 1:
            raise ValueError(
                f"a canvas has sides of at least 1 pixel, not {self.height} x {self.width}"
            )

    def grid_size(self, stride: int) -> tuple[int, int]:
        """Rows and columns of the logits that a network of this output stride gives.

        Args:
            stride: Canvas pixels between two grid points, at least 1.

        Returns:
            Grid height and width: ``(side - 1) / stride + 1``.

        Raises:
            ValueError: A side is not a multiple of the output stride plus one, so that grid and
                canvas could not share their corners.
        """
        if stride < 1:
            raise ValueError(f"an output stride is at least 1, not {stride}")
        for side in (self.height, self.width):
            if (side - 1) % stride:
                lower = (side - 1) // stride * stride + 1
                raise ValueError(
                    f"canvas sides are multiples of the output stride {stride} plus one:"
                    f" use {lower} or {lower + stride}, not {side}"
                )
        return (self.height - 1) // stride + 1, (self.width - 1) // stride + 1


def fit_size(height: int, width: int, canvas: Canvas) -> tuple[int, int]:
    """The size a picture has on a canvas, from its upright original's height and width in pixels.

    A picture that fits keeps its size. A larger one is reduced with its aspect kept: the side
    that exceeds its limit most becomes exactly that limit, the other one is rounded to the
    nearest integer, halves upwards, and is at least 1. The arithmetic is in integers, so that
    every machine agrees.

    Returns:
        Content height and content width, neither larger than the canvas's nor the original's.

    Raises:
        ValueError: A side of the picture is less than 1.
    """
    if height < 1 or width < 1:
        raise ValueError(f"a picture has sides of at least 1 pixel, not {height} x {width}")
    if height <= canvas.height and width <= canvas.width:
        return height, width
    if height * canvas.width >= width * canvas.height:
        return canvas.height, _scaled(width, canvas.height, height)
    return _scaled(height, canvas.width, width), canvas.width


def content_coordinates(original: int, content: int) -> NDArray[np.float64]:
    """Where the pixel centres of one side of a picture lie on the canvas.

    Returns:
        float64 of shape [original], ascending, in [0, content - 1]:
        ``clip((i + 0.5) * content / original - 0.5, 0, content - 1)``.

    Raises:
        ValueError: A size in pixels, of the original or of its content, is less than 1.
    """
    if original < 1 or content < 1:
        raise ValueError(f"sides have at least 1 pixel, not {original} and {content}")
    centres = (np.arange(original, dtype=np.float64) + 0.5) * content / original - 0.5
    return np.clip(centres, 0.0, content - 1.0)


@dataclass(frozen=True, slots=True)
class GridAxis:
    """One side of a picture, laid over one side of the grid of logits.

    Cell ``k`` lies between the grid points ``k`` and ``k + 1``.

    Attributes:
        coordinates: float64 of shape [pixels], ascending: grid coordinates of the pixels.
        bounds: int64 of shape [cells + 1], ascending from 0 to pixels: the pixels of cell ``k``
            are those from ``bounds[k]`` to ``bounds[k + 1]``.
        offsets: float64 of shape [pixels], in [0, 1]: distance from the pixel to its cell's
            first grid point.
    """

    coordinates: NDArray[np.float64]
    bounds: NDArray[np.int64]
    offsets: NDArray[np.float64]

    @property
    def pixels(self) -> int:
        """How many pixels the side has."""
        return len(self.coordinates)

    @property
    def cells(self) -> int:
        """How many cells of the grid the side reaches into."""
        return len(self.bounds) - 1

    def cell_sizes(self) -> NDArray[np.int64]:
        """How many pixels each cell holds: int64 of shape [cells]."""
        return np.diff(self.bounds)

    def cell_weights(self) -> NDArray[np.float64]:
        """How much the pixels of each cell draw from its first and from its second grid point.

        Returns:
            float64 of shape [cells, 2]: the sums over the cell's pixels of ``1 - offset`` and of
            ``offset``.
        """
        second = np.diff(prefix_sums(self.offsets)[self.bounds])
        return np.stack([self.cell_sizes() - second, second], axis=1)


def prefix_sums(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sums of the first 0, 1, ... n of n values: float64 of shape [n + 1]."""
    sums = np.zeros(len(values) + 1)
    np.cumsum(values, out=sums[1:])
    return sums


def grid_axis(original: int, content: int, stride: int, points: int) -> GridAxis:
    """Lay one side of a picture over the grid of logits.

    Args:
        original: Pixels of the original's side, at least 1.
        content: Pixels that it covers on the canvas, at least 1.
        stride: Canvas pixels between two grid points, at least 1.
        points: Grid points of that side, at least 1.

    Returns:
        The side's pixels in grid coordinates. A grid of one point counts as one cell, whose two
        points are the same.

    Raises:
        ValueError: A size is less than 1, or the content reaches beyond the last grid point.
    """
    if stride < 1 or points < 1:
        raise ValueError(f"a grid has a stride and points of at least 1, not {stride}, {points}")
    if content - 1 > (points - 1) * stride:
        raise ValueError(
            f"content of {content} pixels does not fit a grid of {points} points at stride {stride}"
        )
    coordinates = content_coordinates(original, content) / stride
    # A pixel on the grid's very last point belongs to the cell before it.
    cells = min(int(coordinates[-1]), max(points - 2, 0)) + 1
    bounds = np.searchsorted(coordinates, np.arange(cells + 1, dtype=np.float64)).astype(np.int64)
    bounds[-1] = original
    offsets = coordinates - np.repeat(np.arange(cells), np.diff(bounds))
    return GridAxis(coordinates, bounds, offsets)


def _scaled(side: int, limit: int, longest: int) -> int:
    return max(1, (2 * side * limit + longest) // (2 * longest))
