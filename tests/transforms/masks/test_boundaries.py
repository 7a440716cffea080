"""Runs of labels in boundary cells."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given

from beam_deeplab.transforms.masks import boundaries
from beam_deeplab.transforms.masks.boundaries import boundary_runs
from beam_deeplab.transforms.masks.cells import cell_grid
from tests.placed_logits import PlacedLogits, placed_logits


@given(placed_logits())
def test_runs_cover_every_pixel_of_the_boundary_cells_once(placed: PlacedLogits) -> None:
    grid = cell_grid(placed.logits, placed.stride, placed.content, placed.original)
    covered = np.zeros(placed.original, int)
    for block in boundary_runs(grid):
        assert (np.diff(block.cell_column) >= 0).all()
        assert (block.lengths() >= 0).all()
        for row, cell_row, cell_column, starts in zip(
            block.row, block.cell_row, block.cell_column, block.starts, strict=True
        ):
            assert grid.rows.bounds[cell_row] <= row < grid.rows.bounds[cell_row + 1]
            edges = grid.columns.bounds[cell_column : cell_column + 2]
            assert [starts[0], starts[-1]] == edges.tolist()
            covered[row, starts[0] : starts[-1]] += 1
    inside = grid.boundary.repeat(grid.rows.cell_sizes(), axis=0)
    inside = inside.repeat(grid.columns.cell_sizes(), axis=1)
    np.testing.assert_array_equal(covered, inside)


def test_runs_change_where_one_class_overtakes_the_other() -> None:
    # Class 1 overtakes class 0 at a quarter of the cell; their tie at pixel 4 is class 0's.
    logits = np.array([[[1, 0], [0, 3]]], np.float32)
    (block,) = boundary_runs(cell_grid(logits, 16, (1, 17), (1, 17)))
    assert block.starts.tolist() == [[0, 5, 17]]
    assert block.labels.tolist() == [[0, 1]]
    (block,) = boundary_runs(cell_grid(logits[..., ::-1], 16, (1, 17), (1, 17)))
    assert block.starts.tolist() == [[0, 4, 17]]
    assert block.labels.tolist() == [[1, 0]]


def test_a_class_that_wins_at_no_corner_is_found_between_them() -> None:
    logits = np.array([[[4, 0, 3], [0, 4, 3]]], np.float32)
    (block,) = boundary_runs(cell_grid(logits, 16, (1, 17), (1, 17)))
    assert block.labels.tolist() == [[0, 2, 1]]
    assert block.starts.tolist() == [[0, 5, 12, 17]]


def test_a_picture_without_boundaries_has_no_runs() -> None:
    logits = np.zeros((3, 3, 4), np.float32)
    assert list(boundary_runs(cell_grid(logits, 16, (33, 33), (33, 33)))) == []


def test_blocks_of_another_size_hold_the_same_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    logits = np.random.default_rng(0).standard_normal((9, 9, 6), np.float32)
    grid = cell_grid(logits, 16, (129, 129), (300, 300))

    def labels_along_runs() -> list[int]:
        return [
            label
            for block in boundary_runs(grid)
            for label in np.repeat(block.labels, block.lengths().ravel()).tolist()
        ]

    assert len(list(boundary_runs(grid))) == 1
    whole = labels_along_runs()
    for lines in (1, 100, 5_000):
        monkeypatch.setattr(boundaries, "_BLOCK_LINES", lines)
        assert len(list(boundary_runs(grid))) > 1
        assert labels_along_runs() == whole
