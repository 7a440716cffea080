"""Which cells hold one label."""

from __future__ import annotations

import numpy as np
from hypothesis import given

from beam_deeplab.transforms.masks.cells import cell_grid
from tests.direct_evaluation import interpolated
from tests.placed_logits import PlacedLogits, placed_logits


@given(placed_logits())
def test_a_cell_without_boundary_has_one_winner_everywhere(placed: PlacedLogits) -> None:
    grid = cell_grid(placed.logits, placed.stride, placed.content, placed.original)
    values = interpolated(placed.logits, placed.stride, placed.content, placed.original)
    best = values.max(axis=2)
    rows, columns = grid.rows.bounds, grid.columns.bounds
    for row, column in np.argwhere(~grid.boundary):
        cell = slice(rows[row], rows[row + 1]), slice(columns[column], columns[column + 1])
        own = values[cell][..., grid.labels[row, column]]
        assert (best[cell] - own).max(initial=0) <= 1e-12 * np.abs(placed.logits).max()


@given(placed_logits())
def test_a_boundary_cell_has_corners_of_different_labels(placed: PlacedLogits) -> None:
    grid = cell_grid(placed.logits, placed.stride, placed.content, placed.original)
    assert grid.boundary.shape == (grid.rows.cells, grid.columns.cells)
    for row, column in np.argwhere(grid.boundary):
        assert len(np.unique(grid.labels[row : row + 2, column : column + 2])) > 1


def test_only_cells_that_the_picture_reaches_into_count() -> None:
    logits = np.zeros((33, 33, 2), np.float32)
    logits[3:, :, 1] = 1  # below the picture
    grid = cell_grid(logits, 16, (20, 500), (20, 500))
    assert grid.boundary.shape == (2, 32)
    assert not grid.boundary.any()
    assert cell_grid(logits, 16, (34, 500), (34, 500)).boundary.sum() == 32


def test_one_differing_corner_makes_the_cells_around_it_boundaries() -> None:
    logits = np.zeros((4, 4, 3), np.float32)
    logits[1, 2, 2] = 1
    grid = cell_grid(logits, 16, (49, 49), (49, 49))
    assert np.argwhere(grid.boundary).tolist() == [[0, 1], [0, 2], [1, 1], [1, 2]]


def test_a_grid_of_a_single_point_is_one_cell_of_its_label() -> None:
    logits = np.array([[[0, 2, 1]]], np.float32)
    grid = cell_grid(logits, 16, (1, 1), (9, 4))
    assert grid.logits.shape == (2, 2, 3)
    assert not grid.boundary.any()
    assert (grid.labels == 1).all()
