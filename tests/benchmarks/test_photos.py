"""The photos that benchmarks work on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks.canvases import mean_iou
from benchmarks.photos import make_photos, size_at, slices


def test_no_two_photos_are_equal_and_the_first_are_the_originals(
    shared: Path, voc_photos: list[Path], tmp_path: Path
) -> None:
    photos = make_photos(shared, tmp_path, 100)
    contents = [photo.read_bytes() for photo in photos]
    assert len(set(contents)) == 100
    assert contents[:22] == [photo.read_bytes() for photo in voc_photos]
    for photo in photos:
        with Image.open(photo) as image:
            assert 400 < max(image.size) <= 500


def test_enlarged_photos_have_their_megapixels_and_aspect(
    shared: Path, voc_photos: list[Path], tmp_path: Path
) -> None:
    (photo,) = make_photos(shared, tmp_path, 1, megapixels=12.0)
    with Image.open(photo) as image, Image.open(voc_photos[0]) as source:
        assert image.width * image.height == pytest.approx(12e6, rel=1e-3)
        assert image.width / image.height == pytest.approx(source.width / source.height, rel=1e-3)
    assert size_at(375, 500, 12.0) == (3000, 4000)


def test_each_turn_has_its_own_photos_as_far_as_they_reach() -> None:
    photos = [Path(str(index)) for index in range(5)]
    first, second, third = slices(photos, 2, 3)
    assert not set(first) & set(second)
    assert len(third) == 2
    assert slices(photos, 9, 1) == [photos]


def test_mean_iou_ignores_void_pixels_and_classes_that_the_truth_lacks() -> None:
    truth = np.array([[0, 0, 255], [1, 1, 1]], np.uint8)
    answer = np.array([[0, 1, 7], [1, 1, 2]], np.uint8)
    assert mean_iou([answer], [truth]) == pytest.approx((1 / 2 + 2 / 4) / 2)
