"""The definition of a mask, evaluated directly in float64, band by band."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from beam_deeplab.deeplab.engines import available_cores
from benchmarks.official import Labels, Size

_BAND_VALUES = 1 << 21


def wrong_pixels(
    candidates: Sequence[Labels],
    logits: NDArray[np.float32],
    stride: int,
    content: Size,
) -> list[int]:
    """How many pixels of label maps are wrong by the definition.

    Original pixel row i of H lies at canvas y = clip((i + 0.5) h/H - 0.5, 0, h - 1), columns
    likewise; the logits are interpolated bilinearly there, and the largest wins. A label whose
    value is as large as the largest, but for the rounding of float64, is a tie and not wrong.

    Args:
        candidates: Label maps of one picture, uint8 of the same shape.
        logits: float32 of shape [grid height, grid width, classes].
        stride: Canvas pixels between two grid points.
        content: Height and width of the picture on the canvas.

    Returns:
        One count a candidate.
    """
    height, width = candidates[0].shape
    top, down = _axis(height, content[0], stride, logits.shape[0])
    left, right = _axis(width, content[1], stride, logits.shape[1])
    values = logits.astype(np.float64)
    across = right[None, :, None]
    tolerance = 1e-12 * float(np.abs(values).max())
    band_height = max(1, _BAND_VALUES // (width * logits.shape[2]))

    def count(first: int) -> list[int]:
        band = slice(first, first + band_height)
        weight = down[band, None, None]
        rows = values[top[band]] * (1 - weight) + values[top[band] + 1] * weight
        full = rows[:, left]
        full += (rows[:, left + 1] - full) * across
        winners = full.argmax(axis=2)
        counts = []
        for candidate in candidates:
            differs = candidate[band] != winners
            pixels = full[differs]
            own = np.take_along_axis(pixels, candidate[band][differs][:, None].astype(int), axis=1)
            counts.append(int((pixels.max(axis=1) - own[:, 0] > tolerance).sum()))
        return counts

    with ThreadPoolExecutor(available_cores()) as pool:
        bands = list(pool.map(count, range(0, height, band_height)))
    return [sum(column) for column in zip(*bands, strict=True)]


def _axis(
    original: int, content: int, stride: int, points: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """For each pixel of a side the grid point before it, and its distance from that."""
    pixels = np.arange(original, dtype=np.float64)
    canvas = np.clip((pixels + 0.5) * content / original - 0.5, 0, content - 1)
    coordinate = canvas / stride
    before = np.minimum(coordinate.astype(np.int64), points - 2)
    return before, coordinate - before
