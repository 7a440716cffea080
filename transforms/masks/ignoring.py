"""Pixels of whose label the network is not sure: they become 255, which trainings ignore.

How sure it is of a pixel is what :mod:`transforms.masks.areas` averages, evaluated at each pixel.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from beam_deeplab.deeplab.labels.label_set import IGNORE_LABEL
from beam_deeplab.deeplab.softmax import softmax
from beam_deeplab.transforms.masks.areas import LabelSums
from beam_deeplab.transforms.masks.cells import CellGrid

# Of a band of rows, so that what is made of it stays in the CPU's cache.
_BAND_PIXELS = 1 << 16


def ignore_unsure(labels: NDArray[np.uint8], grid: CellGrid, ignore_below: float) -> LabelSums:
    """Sets to 255, in place, the labels whose probability is below a limit.

    Args:
        labels: uint8 of shape [height, width]: the labels of all pixels of ``grid``.
        grid: The picture over its logits.
        ignore_below: The limit, in (0, 1].

    Returns:
        The sums over the pixels that have kept their label.
    """
    probabilities = softmax(grid.logits)
    _, points, classes = probabilities.shape
    pixels, confidence = np.zeros(classes, np.int64), np.zeros(classes)
    row_cell = np.repeat(np.arange(grid.rows.cells), grid.rows.cell_sizes())
    to_left = np.repeat(np.arange(grid.columns.cells), grid.columns.cell_sizes()) * classes
    height = max(1, _BAND_PIXELS // labels.shape[1])
    for top in range(0, len(labels), height):
        band = labels[top : top + height]
        cell = row_cell[top : top + height]
        down = grid.rows.offsets[top : top + height, None, None]
        lines = (probabilities[cell] * (1 - down) + probabilities[cell + 1] * down).ravel()
        to_row = np.arange(len(band))[:, None] * (points * classes)
        place = to_row + to_left + band
        own = lines[place]
        own += (lines[place + classes] - own) * grid.columns.offsets
        kept = own >= ignore_below
        of = band[kept]
        pixels += np.bincount(of, minlength=classes)
        confidence += np.bincount(of, own[kept], classes)
        band[~kept] = IGNORE_LABEL
    return LabelSums(pixels, confidence)
