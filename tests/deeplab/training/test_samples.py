from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from beam_deeplab.deeplab.labels import LabelSet
from beam_deeplab.deeplab.training.pairs import DataError, Pair, list_data
from beam_deeplab.deeplab.training.samples import (
    FileSamples,
    Picture,
    PictureError,
    Sample,
    SampleReader,
    load_samples,
    reduce_truth,
)
from beam_deeplab.deeplab.truth import TruthRule
from tests.shapes import CLASSES, draw_shapes, write_shapes


def read_with_opencv(path: Path, canvas: tuple[int, int] | None) -> Picture:
    pixels = cv2.imread(str(path), cv2.IMREAD_COLOR_RGB)
    if pixels is None:
        raise PictureError("cannot be decoded")
    height, width = pixels.shape[:2]
    if canvas is not None and (height > canvas[0] or width > canvas[1]):
        factor = min(canvas[0] / height, canvas[1] / width)
        size = round(width * factor), round(height * factor)
        pixels = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
    return Picture(pixels, height, width)


LABELS = LabelSet("shapes", CLASSES, ((0, 0, 0), (200, 0, 0), (0, 0, 200)))
RULE = TruthRule(LABELS)
READER = SampleReader(read_with_opencv, None, RULE)


@pytest.fixture
def pairs(tmp_path: Path) -> list[Pair]:
    return list_data([write_shapes(tmp_path / "data", 6)]).training


def test_pairs_are_decoded_and_counted(pairs: list[Pair]) -> None:
    seen: list[int] = []
    loaded = load_samples(pairs, READER, 1 << 20, seen.append)
    truths = [draw_shapes(number)[1] for number in range(6)]
    assert sum(seen) == len(loaded.samples) == 6
    assert loaded.problems == ()
    for number, truth in enumerate(truths):
        np.testing.assert_array_equal(loaded.samples[number].image, draw_shapes(number)[0])
        np.testing.assert_array_equal(loaded.samples[number].truth, truth)
    counted = [sum(int((truth == label).sum()) for truth in truths) for label in range(3)]
    assert loaded.class_pixels.tolist() == counted
    assert loaded.cached_bytes == 6 * 48 * 64 * 4


def test_what_does_not_fit_into_memory_is_decoded_anew(pairs: list[Pair]) -> None:
    cached = load_samples(pairs, READER, 6 * 48 * 64 * 4)
    uncached = load_samples(pairs, READER, 6 * 48 * 64 * 4 - 1)
    assert isinstance(cached.samples, list)
    assert isinstance(uncached.samples, FileSamples)
    assert (uncached.cached_bytes, len(uncached.samples)) == (0, 6)
    np.testing.assert_array_equal(uncached.samples[4].image, cached.samples[4].image)
    np.testing.assert_array_equal(uncached.samples[4].truth, cached.samples[4].truth)
    np.testing.assert_array_equal(uncached.class_pixels, cached.class_pixels)


def test_pairs_are_reduced_to_fit_together(pairs: list[Pair]) -> None:
    reader = SampleReader(read_with_opencv, (33, 33), RULE)
    sample = reader.read(pairs[0])
    assert isinstance(sample, Sample)
    assert sample.image.shape == (25, 33, 3)
    np.testing.assert_array_equal(sample.truth, reduce_truth(draw_shapes(0)[1], 25, 33))


def test_every_kind_of_bad_pair_is_told(pairs: list[Pair]) -> None:
    pairs[0].image.write_bytes(b"not a picture")
    Image.fromarray(np.zeros((48, 60), np.uint8)).save(pairs[1].truth)
    Image.fromarray(np.arange(48 * 64, dtype=np.uint8).reshape(48, 64)).save(pairs[2].truth)
    pairs[4].truth.write_bytes(pairs[4].truth.read_bytes()[:90])
    loaded = load_samples(pairs, READER, 1 << 20)
    said = {problem.path: problem.message for problem in loaded.problems}
    assert list(said) == [pairs[0].image, pairs[1].truth, pairs[2].truth, pairs[4].truth]
    assert said[pairs[0].image] == "cannot be decoded"
    assert said[pairs[1].truth] == "is 60 x 48 pixels, its picture 64 x 48"
    assert said[pairs[2].truth].startswith("holds the values 3, 4, 5, 6, 7 and 247 more")
    assert said[pairs[4].truth].startswith("is damaged: ")


def test_a_pair_that_is_broken_later_is_named(pairs: list[Pair]) -> None:
    samples = FileSamples(pairs, READER)
    pairs[3].image.write_bytes(b"")
    with pytest.raises(DataError, match=f"^{pairs[3].image}: cannot be decoded"):
        samples[3]
    pairs[5].truth.unlink()
    with pytest.raises(DataError, match=f"^{pairs[5].truth}: cannot be read"):
        samples[5]


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
