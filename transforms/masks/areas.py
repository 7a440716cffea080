"""How many pixels each class has and how sure the network was of them, without a pass over pixels.

The confidence of a pixel is its label's softmax probability at the grid points, interpolated with
the mask's own mapping. Interpolation is linear in the offsets of rows and of columns, so the sum
over a cell, or over a run along a pixel row, needs only the number and the summed offsets of its
pixels.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from beam_deeplab.deeplab.softmax import softmax
from beam_deeplab.transforms.geometry import prefix_sums
from beam_deeplab.transforms.masks.boundaries import BoundaryRuns
from beam_deeplab.transforms.masks.cells import CellGrid
from beam_deeplab.transforms.records import ClassArea


@dataclass(frozen=True, slots=True)
class LabelSums:
    """Sums over a picture's pixels by their label.

    Attributes:
        pixels: int64 of shape [classes]: how many there are.
        confidence: float64 of shape [classes]: the sum of their labels' probabilities.
    """

    pixels: NDArray[np.int64]
    confidence: NDArray[np.float64]


def class_areas(
    sums: LabelSums, total_pixels: int, class_names: Sequence[str]
) -> tuple[ClassArea, ...]:
    """What the sums of a picture of so many pixels say of every class that is present.

    Returns:
        One entry a class present, by id.

    Raises:
        ValueError: There are not as many names as classes.
    """
    classes = len(sums.pixels)
    if len(class_names) != classes:
        raise ValueError(f"{classes} classes in the logits, but {len(class_names)} class names")
    return tuple(
        ClassArea(
            class_id=label,
            class_name=class_names[label],
            pixels=int(sums.pixels[label]),
            fraction=float(sums.pixels[label] / total_pixels),
            # Rounding must not carry a mean of probabilities beyond 1.
            mean_confidence=min(1.0, float(sums.confidence[label] / sums.pixels[label])),
        )
        for label in np.flatnonzero(sums.pixels).tolist()
    )


def label_sums(grid: CellGrid, runs: Iterable[BoundaryRuns]) -> LabelSums:
    """The sums over all pixels; they are exactly as many as the mask has."""
    probabilities = softmax(grid.logits)
    parts = [_uniform_cells(grid, probabilities)]
    parts += [_boundary_cells(grid, block, probabilities) for block in runs]
    labels, pixels, confidence = (np.concatenate(column) for column in zip(*parts, strict=True))
    classes = grid.logits.shape[2]
    # Sums of integers are exact in float64 up to 2**53.
    counts, sums = (np.bincount(labels, each, classes) for each in (pixels, confidence))
    return LabelSums(counts.astype(np.int64), sums.astype(np.float64, copy=False))


def _uniform_cells(
    grid: CellGrid, probabilities: NDArray[np.float32]
) -> tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.float64]]:
    """Label, pixels and summed confidence of each cell without a boundary."""
    cell_row, cell_column = np.nonzero(~grid.boundary)
    labels = grid.labels[cell_row, cell_column]
    pixels = grid.rows.cell_sizes()[cell_row] * grid.columns.cell_sizes()[cell_column]
    confidence = _interpolated(
        probabilities,
        labels,
        cell_row,
        cell_column,
        row_weights=grid.rows.cell_weights()[cell_row].T,
        column_weights=grid.columns.cell_weights()[cell_column].T,
    )
    return labels, pixels, confidence


def _boundary_cells(
    grid: CellGrid, runs: BoundaryRuns, probabilities: NDArray[np.float32]
) -> tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.float64]]:
    """Label, pixels and summed confidence of each run that is not empty."""
    lengths = runs.lengths()
    segment, run = np.nonzero(lengths)
    labels, pixels = runs.labels[segment, run], lengths[segment, run]
    down = grid.rows.offsets[runs.row[segment]]
    right = np.diff(prefix_sums(grid.columns.offsets)[runs.starts], axis=1)[segment, run]
    confidence = _interpolated(
        probabilities,
        labels,
        runs.cell_row[segment],
        runs.cell_column[segment],
        row_weights=np.stack([1 - down, down]),
        column_weights=np.stack([pixels - right, right]),
    )
    return labels, pixels, confidence


def _interpolated(
    probabilities: NDArray[np.float32],
    labels: NDArray[np.uint8],
    cell_row: NDArray[np.int64],
    cell_column: NDArray[np.int64],
    *,
    row_weights: NDArray[np.float64],
    column_weights: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Weighted sums of the labels' probabilities at the corners of n cells: float64 of shape [n].

    ``row_weights`` [2, n] are of the upper and of the lower corners, ``column_weights`` of the
    left and of the right ones.
    """
    sums = np.zeros(len(labels))
    for down in (0, 1):
        for right in (0, 1):
            corner = probabilities[cell_row + down, cell_column + right, labels]
            sums += corner * row_weights[down] * column_weights[right]
    return sums
