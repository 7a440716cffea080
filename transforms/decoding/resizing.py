"""Reducing pictures by area, and turning them upright."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray


def reduce_by_area(
    pixels: NDArray[np.uint8],
    height: int,
    width: int,
    rows: float | None = None,
    columns: float | None = None,
) -> NDArray[np.uint8]:
    """Reduce a picture with an antialiasing area filter.

    Every pixel of the result is the mean over its footprint, with fractional coverage at the
    footprint's edges, rounded once: it differs by at most 0.5 from the exact mean. Corners fall on
    corners (the half-pixel convention).

    Args:
        pixels: uint8 of shape [stored rows, stored columns, channels].
        height: Rows of the result, at most ``rows``.
        width: Columns of the result, at most ``columns``.
        rows: How many of the stored rows the picture covers, from the top; fractional where it
            ends inside the last one, as a JPEG decoded at a reduced scale does. Default: all.
        columns: The same for the columns.

    Returns:
        uint8 of shape [height, width, channels].
    """
    rows = pixels.shape[0] if rows is None else rows
    columns = pixels.shape[1] if columns is None else columns
    if (height, width) == (rows, columns):
        return pixels
    # Given factors instead of a size, OpenCV keeps a scale that is not stored size over new size;
    # what lies beyond the picture then lands in at most one further row and column.
    reduced: NDArray[np.uint8] = cv2.resize(
        pixels, None, fx=width / columns, fy=height / rows, interpolation=cv2.INTER_AREA
    )
    if reduced.shape == pixels.shape:
        # Then it has copied the picture, whatever the factors.
        means = _drifting_means(pixels.astype(np.float32), height, rows)
        means = _drifting_means(means.swapaxes(0, 1), width, columns).swapaxes(0, 1)
        reduced = np.rint(means).astype(np.uint8)
    return np.ascontiguousarray(reduced[:height, :width])


def _drifting_means(lines: NDArray[np.float32], count: int, covered: float) -> NDArray[np.float32]:
    """Means over the first axis of footprints that drift by less than one line in all.

    The ``count`` results cover less than one more of the float32 lines.
    """
    drift = (np.arange(count + 1) * (covered / count - 1)).astype(np.float32)
    drift = drift.reshape(-1, *[1] * (lines.ndim - 1))
    following = lines[np.minimum(np.arange(1, count + 1), len(lines) - 1)]
    return ((1 - drift[:-1]) * lines[:count] + drift[1:] * following) * np.float32(count / covered)


def turn_upright(pixels: NDArray[np.uint8], orientation: int) -> NDArray[np.uint8]:
    """Apply an Exif orientation.

    Args:
        pixels: uint8 of shape [stored rows, stored columns, channels].
        orientation: 1 to 8, as Exif 2.32 (section 4.6.4.A) numbers them.

    Returns:
        The upright picture, contiguous; rows and columns are swapped from 5 on.

    Raises:
        ValueError: The orientation is not in 1 to 8.
    """
    if not 1 <= orientation <= 8:
        raise ValueError(f"Exif orientations are 1 to 8, not {orientation}")
    if orientation >= 5:
        pixels = pixels.swapaxes(0, 1)
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return np.ascontiguousarray(pixels)


def turn_as_stored(labels: NDArray[np.uint8], orientation: int) -> NDArray[np.uint8]:
    """Undo an Exif orientation: what :func:`turn_upright` turned, as it was stored.

    Args:
        labels: uint8 of shape [upright rows, upright columns].
        orientation: 1 to 8.

    Returns:
        uint8 of shape [stored rows, stored columns], a view; rows and columns are swapped from 5
        on.
    """
    if orientation in (3, 4, 7, 8):
        labels = labels[::-1]
    if orientation in (2, 3, 6, 7):
        labels = labels[:, ::-1]
    return labels.swapaxes(0, 1) if orientation >= 5 else labels
