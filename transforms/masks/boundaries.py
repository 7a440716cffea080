"""Runs of equal labels along the pixel rows of boundary cells, found without visiting pixels.

Along one pixel row of a cell the bilinearly interpolated logits of every class are straight lines.
So the winners are the upper envelope of a few lines, and where one class overtakes another is a
division.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from beam_deeplab.transforms.masks.cells import CellGrid

# Lines of one block: large enough that the calls do not count, small enough for the CPU's cache.
# It also bounds the memory where every cell of a large picture is a boundary of many classes.
_BLOCK_LINES = 1 << 17


@dataclass(frozen=True, slots=True)
class BoundaryRuns:
    """The labels of all pixels of some boundary cells, as runs along pixel rows.

    A segment is the part of one pixel row that lies in one cell. Segments are sorted by cell
    column, then by row. All have the same number of runs, of which some are empty.

    Attributes:
        row: int64 of shape [segments]: the picture's row.
        cell_row: int64 of shape [segments].
        cell_column: int64 of shape [segments], ascending.
        starts: int64 of shape [segments, runs + 1], ascending along the runs: the picture's
            column where each run starts, then the one where the segment ends.
        labels: uint8 of shape [segments, runs].
    """

    row: NDArray[np.int64]
    cell_row: NDArray[np.int64]
    cell_column: NDArray[np.int64]
    starts: NDArray[np.int64]
    labels: NDArray[np.uint8]

    def lengths(self) -> NDArray[np.int64]:
        """Pixels of each run: int64 of shape [segments, runs]."""
        return np.diff(self.starts, axis=1)


def boundary_runs(grid: CellGrid) -> Iterator[BoundaryRuns]:
    """Find the labels in the boundary cells of a grid.

    The label of a pixel is the class with the largest bilinearly interpolated logits in float64,
    the lowest id of equals.

    Yields:
        Every boundary cell's runs once, in blocks of bounded size, by cell column, then row.
    """
    cell_column, cell_row = np.nonzero(grid.boundary.T)
    if not len(cell_row):
        return
    corners = np.stack(
        [
            grid.logits[cell_row, cell_column],
            grid.logits[cell_row, cell_column + 1],
            grid.logits[cell_row + 1, cell_column],
            grid.logits[cell_row + 1, cell_column + 1],
        ]
    )
    # A class whose largest corner is below the best class's smallest one wins nowhere in the cell.
    can_win = corners.max(axis=0) >= corners.min(axis=0).max(axis=1, keepdims=True)
    candidates = can_win.sum(axis=1)
    # Candidates first, both kinds by id. What fills up a block's shorter lists cannot win.
    classes = np.argsort(~can_win, axis=1, kind="stable")

    lines = np.cumsum(grid.rows.cell_sizes()[cell_row] * candidates.max())
    cuts = np.searchsorted(lines, np.arange(_BLOCK_LINES, lines[-1], _BLOCK_LINES))
    edges = np.unique([0, *cuts, len(lines)])
    for first, last in pairwise(edges):
        cells = slice(first, last)
        listed = classes[cells, : candidates[cells].max()]
        values = np.take_along_axis(corners[:, cells], listed[None], axis=2)
        yield _cells_runs(
            grid, cell_row[cells], cell_column[cells], listed.T, np.moveaxis(values, 2, 1)
        )


def _cells_runs(
    grid: CellGrid,
    cell_row: NDArray[np.int64],
    cell_column: NDArray[np.int64],
    classes: NDArray[np.int64],
    corners: NDArray[np.float32],
) -> BoundaryRuns:
    """Find the runs of some cells.

    ``classes`` [candidates, cells] are those that can win, ascending, then others; ``corners``
    [4, candidates, cells] their logits, top to bottom, left to right.
    """
    sizes = grid.rows.cell_sizes()[cell_row]
    cell = np.repeat(np.arange(len(sizes)), sizes)
    to_row = grid.rows.bounds[cell_row] - (np.cumsum(sizes) - sizes)
    row = np.arange(len(cell)) + to_row[cell]
    down = grid.rows.offsets[row]
    up = 1 - down
    top_left, top_right, bottom_left, bottom_right = corners.astype(np.float64).take(cell, axis=2)
    left = top_left * up
    left += bottom_left * down
    rise = top_right * up
    rise += bottom_right * down
    rise -= left
    starts, winners = _upper_envelope(left, rise, cell_column[cell], grid)
    labels = classes[winners, cell].astype(np.uint8)
    return BoundaryRuns(row, cell_row[cell], cell_column[cell], starts.T, labels.T)


def _upper_envelope(
    left: NDArray[np.float64],
    rise: NDArray[np.float64],
    cell_column: NDArray[np.int64],
    grid: CellGrid,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Follow the highest line of each segment from left to right.

    Args:
        left: [lines, segments] at the cell's left edge; lower indices win ties.
        rise: [lines, segments] from the left edge to the right one.
        cell_column: [segments].
        grid: The cells that the picture covers.

    Returns:
        ``starts`` of shape [runs + 1, segments], in picture columns, and the winning lines'
        indices of shape [runs, segments].
    """
    columns = grid.columns
    end = columns.bounds[cell_column + 1]
    winner = left.argmax(axis=0)
    starts, winners = [columns.bounds[cell_column]], [winner]
    active = np.arange(left.shape[1])
    while True:
        own = winner[active], np.arange(len(active))
        steeper = rise - rise[own]
        behind = left[own] - left
        meeting = np.full_like(steeper, np.inf)
        with np.errstate(over="ignore"):
            np.divide(behind, steeper, out=meeting, where=steeper > 0)
        nearest = meeting.min(axis=0)
        overtaken = np.flatnonzero(nearest <= 1)
        if not len(overtaken):
            return np.stack([*starts, end]), np.stack(winners)
        active, nearest = active[overtaken], nearest[overtaken]
        left, rise = left.take(overtaken, axis=1), rise.take(overtaken, axis=1)
        meeting, steeper = meeting.take(overtaken, axis=1), steeper.take(overtaken, axis=1)

        # Of the lines that meet in one point the lowest owns the point, the steepest what follows.
        meets = meeting == nearest
        lowest = meets.argmax(axis=0)
        steepest = np.where(meets, steeper, -np.inf).argmax(axis=0)
        owns_point = lowest < winner[active]
        point = cell_column[active] + nearest
        found = np.searchsorted(
            columns.coordinates, np.where(owns_point, point, np.nextafter(point, np.inf))
        )
        winner, start = winner.copy(), end.copy()
        winner[active] = np.where(owns_point, lowest, steepest)
        start[active] = np.clip(found, starts[-1][active], end[active])
        starts.append(start)
        winners.append(winner)
