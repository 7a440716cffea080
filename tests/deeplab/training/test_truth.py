from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from beam_deeplab.deeplab.training.truth import TruthError, read_truth, reduce_truth, wrong_ids

IDS = np.array([[0, 1, 255], [20, 3, 0]], np.uint8)


@pytest.mark.parametrize("mode", ["P", "L"])
def test_indices_are_ids_whatever_their_colours(tmp_path: Path, mode: str) -> None:
    image = Image.fromarray(IDS)
    if mode == "P":
        image = image.convert("P")
        image.putpalette(bytes(range(255, -1, -1)) * 3)
        image.putdata(IDS.ravel().tolist())
    image.save(tmp_path / "m.png")
    np.testing.assert_array_equal(read_truth(tmp_path / "m.png"), IDS)


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_small_indices_may_be_packed(tmp_path: Path, bits: int) -> None:
    ids = np.array([[0, 1, 1], [1, 0, 1]], np.uint8)
    image = Image.fromarray(ids).convert("P")
    image.putpalette([7, 7, 7, 9, 9, 9])
    image.putdata(ids.ravel().tolist())
    image.save(tmp_path / "m.png", bits=bits)
    np.testing.assert_array_equal(read_truth(tmp_path / "m.png"), ids)


def test_what_holds_no_ids_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "m.png"
    Image.new("RGB", (2, 2)).save(path)
    with pytest.raises(TruthError, match=r"indexed or 8-bit grey PNG .*, not RGB"):
        read_truth(path)
    Image.new("L", (2, 2)).save(path, format="JPEG")
    with pytest.raises(TruthError, match="is not a PNG"):
        read_truth(path)
    with pytest.raises(TruthError, match=r"cannot be read: .*No such file"):
        read_truth(tmp_path / "none.png")


def test_a_mask_that_is_cut_off_is_refused(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 20, (64, 64), np.uint8)
    Image.fromarray(noise).save(tmp_path / "m.png")
    data = (tmp_path / "m.png").read_bytes()
    (tmp_path / "m.png").write_bytes(data[: len(data) // 2])
    with pytest.raises(TruthError, match="cannot be read"):
        read_truth(tmp_path / "m.png")


def test_ids_that_are_no_class_are_wrong_but_for_the_ignore_label() -> None:
    assert wrong_ids(IDS, 21, 255) == []
    assert wrong_ids(IDS, 20, 255) == [20]
    assert wrong_ids(IDS, 2, 20) == [3, 255]


def _by_centres(truth: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    reduced = np.empty((height, width), np.uint8)
    for row in range(height):
        for column in range(width):
            y = (row + 0.5) * truth.shape[0] / height
            x = (column + 0.5) * truth.shape[1] / width
            reduced[row, column] = truth[int(y), int(x)]
    return reduced


@given(st.integers(1, 40), st.integers(1, 40), st.data())
def test_a_reduced_mask_has_the_ids_at_the_pixels_centres(
    rows: int, columns: int, data: st.DataObject
) -> None:
    height, width = data.draw(st.integers(1, rows)), data.draw(st.integers(1, columns))
    truth = np.random.default_rng(rows * 41 + columns).integers(0, 255, (rows, columns), np.uint8)
    reduced = reduce_truth(truth, height, width)
    np.testing.assert_array_equal(reduced, _by_centres(truth, height, width))
