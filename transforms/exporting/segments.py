"""What is annotated of a label map: its classes or their connected parts, each as COCO's RLE."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Segment:
    """A region of one class.

    Attributes:
        label: The class.
        rle: ``{"size": [height, width], "counts": str}``, compressed as pycocotools do.
        area: In pixels, at least 1.
        bbox: Its left and upper edge, width and height in pixels.
    """

    label: int
    rle: Mapping[str, Any]
    area: int
    bbox: tuple[int, int, int, int]


def class_regions(labels: NDArray[np.uint8], known: Collection[int]) -> NDArray[np.int32]:
    """A region for each class.

    Args:
        labels: uint8 of shape [height, width].
        known: The labels that count.

    Returns:
        int32 of the same shape: regions from 1 in the order of their classes, 0 for none.
    """
    present = np.flatnonzero(np.bincount(labels.ravel(), minlength=256))
    regions = np.zeros(256, np.int32)
    counted = [label for label in present if label in known]
    regions[counted] = np.arange(1, len(counted) + 1)
    return regions[labels]


def connected_regions(
    labels: NDArray[np.uint8], known: Collection[int], least: int = 1
) -> NDArray[np.int32]:
    """A region for each part of a class that hangs together, also by the pixels' corners.

    Args:
        labels: uint8 of shape [height, width].
        known: The labels that count.
        least: Parts of fewer pixels are left out.

    Returns:
        int32 of the same shape: regions from 1 in the order of their classes, 0 for none.
    """
    regions = np.zeros(labels.shape, np.int32)
    found = 0
    for label in np.flatnonzero(np.bincount(labels.ravel(), minlength=256)):
        if label not in known:
            continue
        count, parts, facts, _ = cv2.connectedComponentsWithStats(
            (labels == label).view(np.uint8), connectivity=8, ltype=cv2.CV_32S
        )
        kept = np.flatnonzero(facts[1:, cv2.CC_STAT_AREA] >= least) + 1
        numbers = np.zeros(count, np.int32)
        numbers[kept] = np.arange(found + 1, found + 1 + len(kept))
        regions += numbers[parts]
        found += len(kept)
    return regions


def encode_segments(labels: NDArray[np.uint8], regions: NDArray[np.int32]) -> list[Segment]:
    """Each region as run lengths, all of them found in one pass over the picture.

    Args:
        labels: uint8 of shape [height, width]; within a region all are the same.
        regions: int32 of the same shape: from 1, each number in use; 0 for none.

    Returns:
        The segments in the order of their numbers.
    """
    from pycocotools import mask

    height, width = regions.shape
    # COCO's runs go down the columns.
    by_column = np.ascontiguousarray(regions.T).ravel()
    ends = np.append(np.flatnonzero(by_column[1:] != by_column[:-1]) + 1, by_column.size)
    starts = np.append(0, ends[:-1])
    numbers = by_column[starts]
    order = np.argsort(numbers, kind="stable")
    bounds = np.stack([starts[order], ends[order]], axis=1)
    groups = np.searchsorted(numbers[order], np.arange(1, by_column.max(initial=0) + 2))
    segments = []
    for first, end in pairwise(groups):
        runs = bounds[first:end]
        row, column = runs[0, 0] % height, runs[0, 0] // height
        # Gaps and runs in turn; the last gap is left out where there is none.
        edges = np.concatenate([[0], runs.ravel(), [by_column.size]])
        counts = np.diff(edges if edges[-2] < edges[-1] else edges[:-1])
        rle = mask.frPyObjects({"size": [height, width], "counts": counts}, height, width)
        bbox = tuple(int(edge) for edge in mask.toBbox(rle))
        segments.append(
            Segment(
                int(labels[row, column]),
                {"size": [height, width], "counts": rle["counts"].decode()},
                int(np.diff(runs).sum()),
                (bbox[0], bbox[1], bbox[2], bbox[3]),
            )
        )
    return segments
