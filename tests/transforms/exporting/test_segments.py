"""Run lengths of one pass equal those that pycocotools take of each region's own mask."""

from __future__ import annotations

import cv2
import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from pycocotools import mask as coco_mask

from beam_deeplab.transforms.exporting.segments import (
    class_regions,
    connected_regions,
    encode_segments,
)

_LABELS = hnp.arrays(
    np.uint8, hnp.array_shapes(min_dims=2, max_dims=2, max_side=9), elements=st.integers(0, 4)
)
KNOWN = frozenset({1, 2, 3})


def _assert_equal_to_pycocotools(labels: NDArray[np.uint8], regions: NDArray[np.int32]) -> None:
    segments = encode_segments(labels, regions)
    assert len(segments) == regions.max()
    for number, segment in enumerate(segments, 1):
        binary = np.asfortranarray(regions == number).view(np.uint8)
        expected = coco_mask.encode(binary)
        assert segment.rle == {
            "size": list(labels.shape),
            "counts": expected["counts"].decode(),
        }
        assert set(labels[regions == number]) == {segment.label}
        assert segment.area == coco_mask.area(expected)
        assert segment.bbox == tuple(coco_mask.toBbox(expected))


@given(_LABELS)
def test_classes(labels: NDArray[np.uint8]) -> None:
    regions = class_regions(labels, KNOWN)
    np.testing.assert_array_equal(regions != 0, np.isin(labels, list(KNOWN)))
    _assert_equal_to_pycocotools(labels, regions)


@given(_LABELS, st.integers(1, 4))
def test_connected_parts(labels: NDArray[np.uint8], least: int) -> None:
    regions = connected_regions(labels, KNOWN, least)
    _assert_equal_to_pycocotools(labels, regions)
    kept = np.zeros(labels.shape, bool)
    parts = 0
    for label in KNOWN:
        count, components = cv2.connectedComponents((labels == label).view(np.uint8))
        for component in range(1, count):
            if np.sum(components == component) >= least:
                kept |= components == component
                parts += 1
    assert regions.max() == parts
    np.testing.assert_array_equal(regions != 0, kept)


def test_a_large_picture_of_many_regions() -> None:
    labels = np.random.default_rng(0).integers(0, 3, (400, 300)).astype(np.uint8)
    labels = cv2.resize(labels, None, fx=3, fy=3, interpolation=cv2.INTER_NEAREST)
    _assert_equal_to_pycocotools(labels, class_regions(labels, KNOWN))
    regions = connected_regions(labels, KNOWN, 2000)
    assert regions.max() > 3
    _assert_equal_to_pycocotools(labels, regions)
