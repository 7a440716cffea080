"""Full-size pictures some rows at a time, and their reduced copies that hold everything else.

A picture of 250 megapixels in floating point would be gigabytes; a strip of it fits a cache. The
factor between a picture and its reduced copy is a whole number, so that strips meet exactly.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

_ROWS = 128


def ceil_div(number: int, divisor: int) -> int:
    """The quotient, rounded up."""
    return -(-number // divisor)


def reduce_in_strips(
    height: int, width: int, factor: int, rows: Callable[[slice], NDArray[np.float32]]
) -> NDArray[np.float32]:
    """The means over squares of a picture that ``rows`` makes some rows at a time.

    Args:
        height: Rows of the picture.
        width: Its columns.
        factor: Side of the squares; at the far edges they see the last row and column repeated.
        rows: Float32 of shape [rows, width, channels] for a slice of rows.

    Returns:
        float32 of shape [ceil(height / factor), ceil(width / factor), channels].
    """
    step = factor * ceil_div(_ROWS, factor)
    columns = ceil_div(width, factor)
    reduced = []
    for start in range(0, height, step):
        strip = rows(slice(start, min(start + step, height)))
        missing = -strip.shape[0] % factor, -width % factor
        if any(missing):
            strip = np.pad(strip, ((0, missing[0]), (0, missing[1]), (0, 0)), mode="edge")
        size = columns, strip.shape[0] // factor
        means = cv2.resize(strip, size, interpolation=cv2.INTER_AREA)
        reduced.append(means.reshape(size[1], columns, -1))
    return np.concatenate(reduced)


def enlarged_strips(
    reduced: NDArray[Any], factor: int, height: int, width: int
) -> Iterator[tuple[slice, NDArray[Any]]]:
    """A reduced copy, bilinearly at the picture's size, some rows at a time.

    Args:
        reduced: float32 or uint8 of shape [ceil(height / factor), ceil(width / factor), channels].
        factor: How far it was reduced.
        height: Rows of the picture.
        width: Its columns.

    Yields:
        Rows, and an array of shape [rows, width, channels].
    """
    lines, columns, channels = reduced.shape
    step = ceil_div(_ROWS, factor)
    for start in range(0, lines, step):
        end = min(start + step, lines)
        first, last = max(0, start - 1), min(end + 1, lines)
        size = columns * factor, (last - first) * factor
        strip = cv2.resize(reduced[first:last], size, interpolation=cv2.INTER_LINEAR)
        strip = strip.reshape(*size[::-1], channels)
        rows = slice(start * factor, min(end * factor, height))
        skipped = (start - first) * factor
        yield rows, strip[skipped : skipped + rows.stop - rows.start, :width]
