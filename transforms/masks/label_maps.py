"""From logits to a label map at the picture's original size, exactly, and to what is kept of it.

The label of a pixel is the class whose logits, bilinearly interpolated at the pixel's place on the
grid, are largest; equals go to the lowest id. For a picture that was not reduced this is what the
official frozen DeepLab graphs answer, which resize the logits to the canvas and take the argmax.
No array of the picture's size is made but the label map.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from beam_deeplab.transforms.masks.areas import class_areas, label_sums
from beam_deeplab.transforms.masks.boundaries import BoundaryRuns, boundary_runs
from beam_deeplab.transforms.masks.cells import CellGrid, cell_grid
from beam_deeplab.transforms.masks.ignoring import ignore_unsure
from beam_deeplab.transforms.masks.png import encode_label_map
from beam_deeplab.transforms.records import LogitsGrid, Segmentation


def label_map(
    logits: NDArray[np.float32],
    stride: int,
    content_size: tuple[int, int],
    original_size: tuple[int, int],
) -> NDArray[np.uint8]:
    """The label of every pixel of the original picture.

    Args:
        logits: Finite float32 of shape [grid height, grid width, classes], 1 to 256 classes.
        stride: Canvas pixels between two grid points.
        content_size: Height and width of the picture on the canvas.
        original_size: Height and width of the upright original.

    Returns:
        uint8 of the original's shape [height, width].

    Raises:
        ValueError: The logits' shape or the number of classes is not as above, or the content
            reaches beyond the grid.
    """
    grid = cell_grid(logits, stride, content_size, original_size)
    return painted(grid, boundary_runs(grid))


def painted(grid: CellGrid, runs: Iterable[BoundaryRuns]) -> NDArray[np.uint8]:
    """Paint the labels of cells, and of all runs in their boundary cells.

    Returns:
        uint8 of the picture's shape [height, width].
    """
    bands = np.repeat(grid.labels[:-1, :-1], grid.columns.cell_sizes(), axis=1)
    labels = np.repeat(bands, grid.rows.cell_sizes(), axis=0)
    for block in runs:
        boundary = np.repeat(block.labels.ravel(), block.lengths().ravel())
        columns, segments = np.unique(block.cell_column, return_index=True)
        pixels = 0
        for column, rows in zip(columns, np.split(block.row, segments[1:]), strict=True):
            left, right = grid.columns.bounds[column : column + 2]
            size = len(rows) * int(right - left)
            labels[rows, left:right] = boundary[pixels : pixels + size].reshape(len(rows), -1)
            pixels += size
    return labels


def segment_logits(
    answer: LogitsGrid, class_names: tuple[str, ...], palette: bytes, ignore_below: float = 0.0
) -> Segmentation:
    """Turn what the network answered into a mask at the original size and its class areas.

    Args:
        answer: Finite logits and where the picture lies on them.
        class_names: One name a class of the logits.
        palette: 768 bytes: red, green and blue of the labels 0 to 255.
        ignore_below: Pixels whose label has a smaller probability are 255 and in no area.

    Returns:
        The mask as an indexed PNG, and the areas, whose pixels are the counts of that mask.

    Raises:
        ValueError: There are not as many names as classes, the palette has another size, or the
            logits do not cover the content.
    """
    grid = cell_grid(
        answer.logits,
        answer.stride,
        (answer.content_height, answer.content_width),
        (answer.original.height, answer.original.width),
    )
    runs = tuple(boundary_runs(grid))
    labels = painted(grid, runs)
    sums = ignore_unsure(labels, grid, ignore_below) if ignore_below else label_sums(grid, runs)
    return Segmentation(
        ref=answer.ref,
        mask_png=encode_label_map(labels, palette),
        areas=class_areas(sums, labels.size, class_names),
        original=answer.original,
        slot=answer.slot,
    )
