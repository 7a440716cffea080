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
    Regions,
    connected_regions,
    encode_segments,
)

_LABELS = hnp.arrays(
    np.uint8, hnp.array_shapes(min_dims=2, max_dims=2, max_side=9), elements=st.integers(0, 4)
)
KNOWN = np.isin(np.arange(256), [1, 2, 3])


def _assert_equal_to_pycocotools(regions: Regions, wanted: NDArray[np.bool_]) -> None:
    segments = encode_segments(regions, wanted)
    assert [each.number for each in segments] == list(np.unique(regions[wanted[regions]]))
    for segment in segments:
        binary = np.asfortranarray(regions == segment.number).view(np.uint8)
        expected = coco_mask.encode(binary)
        counts = expected["counts"].decode()
        assert segment.rle == {"size": list(regions.shape), "counts": counts}
        assert segment.area == coco_mask.area(expected)
        assert segment.bbox == tuple(coco_mask.toBbox(expected))


@given(_LABELS)
def test_classes(labels: NDArray[np.uint8]) -> None:
    _assert_equal_to_pycocotools(labels, KNOWN)


@given(_LABELS, st.integers(1, 4))
def test_connected_parts(labels: NDArray[np.uint8], least: int) -> None:
    regions, classes = connected_regions(labels, KNOWN, least)
    _assert_equal_to_pycocotools(regions, np.arange(len(classes)) > 0)
    kept = np.zeros(labels.shape, bool)
    parts = [0]
    for label in np.flatnonzero(KNOWN):
        count, components = cv2.connectedComponents((labels == label).view(np.uint8))
        for component in range(1, count):
            if np.sum(components == component) >= least:
                kept |= components == component
                parts.append(int(label))
    assert classes == parts
    assert regions.max(initial=0) == len(classes) - 1
    np.testing.assert_array_equal(regions != 0, kept)
    np.testing.assert_array_equal(np.array(classes)[regions], np.where(kept, labels, 0))


def test_a_large_picture_of_many_regions() -> None:
    labels = np.random.default_rng(0).integers(0, 3, (400, 300)).astype(np.uint8)
    labels = np.asarray(cv2.resize(labels, None, fx=3, fy=3, interpolation=cv2.INTER_NEAREST))
    _assert_equal_to_pycocotools(labels, KNOWN)
    regions, classes = connected_regions(labels, KNOWN, 2000)
    assert len(classes) > 3
    _assert_equal_to_pycocotools(regions, np.arange(len(classes)) > 0)
