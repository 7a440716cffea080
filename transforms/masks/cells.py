"""Which cells of the logits' grid hold one label, and which a boundary between labels.

Between four grid points the logits of every class are a weighted mean of their values there. So
where one class wins at all four corners of a cell it wins everywhere inside, and only the other
cells need a closer look. Nothing here has the size of the picture.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from beam_deeplab.transforms.geometry import GridAxis, grid_axis

MAX_CLASSES = 256


@dataclass(frozen=True, slots=True)
class CellGrid:
    """The cells of the logits' grid that a picture covers.

    Attributes:
        logits: float32 of shape [cell rows + 1, cell columns + 1, classes], at the cells' corners.
        rows: The picture's rows over the grid.
        columns: The picture's columns over the grid.
        labels: uint8 of shape [cell rows + 1, cell columns + 1]: the winner at each corner, the
            lowest id of equals.
        boundary: bool of shape [cell rows, cell columns]: False where the four corners agree, so
            that every pixel of the cell has the label of its top-left corner.
    """

    logits: NDArray[np.float32]
    rows: GridAxis
    columns: GridAxis
    labels: NDArray[np.uint8]
    boundary: NDArray[np.bool_]


def cell_grid(
    logits: NDArray[np.float32],
    stride: int,
    content_size: tuple[int, int],
    original_size: tuple[int, int],
) -> CellGrid:
    """Lay a picture over its logits and find the cells that boundaries run through.

    Arguments and errors are those of :func:`transforms.masks.label_maps.label_map`.
    """
    if logits.ndim != 3 or not 1 <= logits.shape[2] <= MAX_CLASSES:
        raise ValueError(
            f"logits have the shape [rows, columns, 1 to {MAX_CLASSES} classes],"
            f" not {list(logits.shape)}"
        )
    rows = grid_axis(original_size[0], content_size[0], stride, logits.shape[0])
    columns = grid_axis(original_size[1], content_size[1], stride, logits.shape[1])
    corners = logits[: rows.cells + 1, : columns.cells + 1]
    # A grid with a single point in one direction has cells between that point and itself.
    missing = (rows.cells + 1 - corners.shape[0], columns.cells + 1 - corners.shape[1])
    if any(missing):
        corners = np.pad(corners, ((0, missing[0]), (0, missing[1]), (0, 0)), mode="edge")
    labels = corners.argmax(axis=2).astype(np.uint8)
    across = labels[:, :-1] != labels[:, 1:]
    down = labels[:-1, :-1] != labels[1:, :-1]
    return CellGrid(corners, rows, columns, labels, across[:-1] | across[1:] | down)
