"""COCO's run lengths of a 12 MP label map: one pass over it beside a binary mask for each class.

The label maps are the truths of the 22 photos, enlarged. The peer encodes as its readers do it, by
``pycocotools.mask.encode``: of the classes' binary masks stacked, and one class after the other.
All give the same bytes. Times are of the CPU, medians over the pictures, each the median of its
turns.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pycocotools import mask as coco_mask

from beam_deeplab.transforms.exporting.segments import encode_segments
from benchmarks.measurement import Measurement, Row, Settings, median
from benchmarks.photos import size_at, truth_mask, voc_photos
from benchmarks.suite import run_alone

_MEGAPIXELS = 12.0
_CLASSES = 21


def _one_pass(labels: NDArray[np.uint8]) -> list[Any]:
    wanted = np.arange(256) < _CLASSES
    return [segment.rle["counts"] for segment in encode_segments(labels, wanted)]


def _stacked(labels: NDArray[np.uint8]) -> list[Any]:
    present = np.unique(labels[labels < _CLASSES])
    masks = np.stack([labels == label for label in present], axis=2)
    encoded = coco_mask.encode(np.asfortranarray(masks.view(np.uint8)))
    return [each["counts"].decode() for each in encoded]


def _one_by_one(labels: NDArray[np.uint8]) -> list[Any]:
    present = np.unique(labels[labels < _CLASSES])
    masks = (np.asfortranarray((labels == label).view(np.uint8)) for label in present)
    return [coco_mask.encode(each)["counts"].decode() for each in masks]


_WAYS: dict[str, Callable[[NDArray[np.uint8]], list[Any]]] = {
    "one pass": _one_pass,
    "stacked masks": _stacked,
    "one class after the other": _one_by_one,
}


def measure(settings: Settings) -> Measurement:
    cv2.setNumThreads(1)
    seconds: dict[str, list[float]] = {way: [] for way in _WAYS}
    classes = []
    for photo in voc_photos(settings.shared):
        labels = np.asarray(Image.open(truth_mask(settings.shared, photo)))
        height, width = size_at(labels.shape[0], labels.shape[1], _MEGAPIXELS)
        labels = cv2.resize(labels, (width, height), interpolation=cv2.INTER_NEAREST)
        turns: dict[str, list[float]] = {way: [] for way in _WAYS}
        found = []
        for _ in range(settings.repeats):
            for way, encode in _WAYS.items():
                start = time.process_time()
                found.append(encode(labels))
                turns[way].append(time.process_time() - start)
        if any(each != found[0] for each in found):
            raise RuntimeError(f"{photo.name}: the ways differ")
        classes.append(len(found[0]))
        for way, each in turns.items():
            seconds[way].append(median(each))
    ours = median(seconds["one pass"])
    rows: list[Row] = [
        {
            "way": way,
            "CPU ms": 1000 * median(each),
            "worst CPU ms": 1000 * max(each),
            "times slower": median(each) / ours,
        }
        for way, each in seconds.items()
    ]
    return Measurement(
        name="run_lengths",
        title="COCO's run lengths of a label map of 12 MP",
        rows=rows,
        ratios={},
        notes=[
            f"{min(classes)} to {max(classes)} classes a picture; all ways give the same bytes."
        ],
    )


if __name__ == "__main__":
    run_alone(measure)
