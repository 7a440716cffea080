"""What is annotated of a label map: its classes or their connected parts, each as COCO's RLE."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

Regions: TypeAlias = NDArray[np.uint8] | NDArray[np.int32]
"""[height, width]: for each pixel the number of the region that it is in."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A region as run lengths.

    Attributes:
        number: The region's.
        rle: ``{"size": [height, width], "counts": str}``, compressed as pycocotools do.
        area: In pixels, at least 1.
        bbox: Its left and upper edge, width and height in pixels.
    """

    number: int
    rle: Mapping[str, Any]
    area: int
    bbox: tuple[int, int, int, int]


def encode_segments(regions: Regions, wanted: NDArray[np.bool_]) -> list[Segment]:
    """Regions as run lengths, all of them found in one pass over the picture.

    Args:
        regions: Of which a label map is one kind.
        wanted: bool of shape [at least the highest number + 1]: which regions are encoded.

    Returns:
        Those of them that occur, by number.
    """
    from pycocotools import mask

    height, width = regions.shape
    # COCO's runs go down the columns.
    by_column = cv2.transpose(regions).ravel()
    ends = np.append(np.flatnonzero(by_column[1:] != by_column[:-1]) + 1, by_column.size)
    starts = np.append(0, ends[:-1])
    numbers = by_column[starts]
    kept = np.flatnonzero(wanted[numbers])
    kept = kept[np.argsort(numbers[kept], kind="stable")]
    bounds = np.stack([starts[kept], ends[kept]], axis=1)
    segments = []
    for first, end in pairwise(_groups(numbers[kept])):
        runs = bounds[first:end]
        # Gaps and runs in turn; the last gap is left out where there is none.
        edges = np.concatenate([[0], runs.ravel(), [by_column.size]])
        counts = np.diff(edges if edges[-2] < edges[-1] else edges[:-1])
        rle = mask.frPyObjects({"size": [height, width], "counts": counts}, height, width)
        left, top, across, down = (int(edge) for edge in mask.toBbox(rle))
        segments.append(
            Segment(
                int(numbers[kept[first]]),
                {"size": [height, width], "counts": rle["counts"].decode()},
                int(counts[1::2].sum()),
                (left, top, across, down),
            )
        )
    return segments


def _groups(numbers: Regions) -> list[int]:
    """Where each of the equal ones in sorted numbers begin, and where the last end."""
    return [*np.unique(numbers, return_index=True)[1].tolist(), len(numbers)]


def connected_regions(
    labels: NDArray[np.uint8], wanted: NDArray[np.bool_], least: int = 1
) -> tuple[NDArray[np.int32], list[int]]:
    """A region for each part of a class that hangs together, also by its pixels' corners.

    Args:
        labels: uint8 of shape [height, width].
        wanted: bool of shape [256]: which labels have parts.
        least: Parts of fewer pixels are left out.

    Returns:
        int32 of the same shape: regions from 1 in the order of their classes, 0 for none; and the
        class of each, from region 0 on, which has none and says 0.
    """
    regions = np.zeros(labels.shape, np.int32)
    classes = [0]
    for whole in encode_segments(labels, wanted):
        left, top, across, down = whole.bbox
        box = slice(top, top + down), slice(left, left + across)
        count, parts, facts, _ = cv2.connectedComponentsWithStats(
            (labels[box] == whole.number).view(np.uint8), connectivity=8, ltype=cv2.CV_32S
        )
        is_kept = facts[:, cv2.CC_STAT_AREA] >= least
        is_kept[0] = False
        numbers = np.zeros(count, np.int32)
        numbers[is_kept] = np.arange(len(classes), len(classes) + is_kept.sum())
        regions[box] += np.take(numbers, parts)
        classes += [whole.number] * int(is_kept.sum())
    return regions, classes
