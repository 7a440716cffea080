"""What canvas and precision cost and bring: labels, mIoU and speed.

Each variant segments the 22 photos, whose ground truth is known, and then, in turns, more of them
for its rate. ``equal labels`` is the share of pixels with the label of the official frozen graph,
over all photos and of the worst one. mIoU is the mean of intersection over union over the
classes that the photos' ground truth holds, counted over all photos, void pixels (255) ignored; of
so few photos it is a comparison and no figure of merit.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pyarrow.dataset as ds
from numpy.typing import NDArray
from PIL import Image

from benchmarks.children import Child
from benchmarks.engine import pixels_of
from benchmarks.machine import has_precision
from benchmarks.measurement import Measurement, Row, Settings, median
from benchmarks.observed_job import ObservedJob
from benchmarks.official import FrozenGraph, Labels
from benchmarks.photos import make_photos, truth_mask, voc_photos
from benchmarks.suite import run_alone

_VARIANTS = {
    ("official", "f32"): ("--canvas", "official", "--precision", "f32"),
    ("auto", "f32"): ("--canvas", "auto", "--precision", "f32"),
    ("official", "bf16"): ("--canvas", "official", "--precision", "bf16"),
    ("auto", "bf16"): ("--canvas", "auto", "--precision", "bf16"),
}
_CLASSES = 21
_VOID = 255


class _Labels:
    """The official answers, in a process that ends when it has given them."""

    def __init__(self, frozen_graph: Path) -> None:
        self._graph = FrozenGraph(frozen_graph)

    def of(self, photo: Path) -> Labels:
        """Labels of a photo."""
        return self._graph.labels(pixels_of(photo))


def measure(settings: Settings) -> Measurement:
    voc = voc_photos(settings.shared)
    photos = make_photos(settings.shared, settings.workspace / "small", settings.photos)
    truth = [np.asarray(Image.open(truth_mask(settings.shared, photo))) for photo in voc]
    with Child(_Labels, settings.frozen_graph) as graph:
        official = [graph.call(_Labels.of, photo) for photo in voc]
    rows: list[Row] = [
        {
            "canvas": "frozen graph",
            "precision": "f32",
            "images/s": None,
            "equal labels": 1.0,
            "worst photo": 1.0,
            "mIoU": mean_iou(official, truth),
        }
    ]
    variants = {variant: flags for variant, flags in _VARIANTS.items() if has_precision(variant[1])}
    outputs = settings.workspace / "canvases"
    outputs.mkdir()
    with ExitStack() as stack:
        children = {
            variant: stack.enter_context(Child(ObservedJob, settings.model)) for variant in variants
        }
        answers = {}
        rates: dict[tuple[str, str], list[float]] = {variant: [] for variant in variants}
        for variant, child in children.items():
            folder = outputs / "-".join(variant)
            child.call(ObservedJob.run, voc, folder, variants[variant])
            answers[variant] = masks_of(folder, voc)
        for turn in range(settings.repeats):
            for variant, child in children.items():
                folder = outputs / "-".join((*variant, str(turn)))
                run = child.call(ObservedJob.run, photos, folder, variants[variant])
                rates[variant].append(run.images_per_second)
    for (canvas, precision), masks in answers.items():
        equal = [own == theirs for own, theirs in zip(masks, official, strict=True)]
        rows.append(
            {
                "canvas": canvas,
                "precision": precision,
                "images/s": median(rates[canvas, precision]),
                "equal labels": sum(int(each.sum()) for each in equal)
                / sum(each.size for each in equal),
                "worst photo": float(min(each.mean() for each in equal)),
                "mIoU": mean_iou(masks, truth),
            }
        )
    return Measurement(
        name="canvases",
        title="Canvas and precision: speed, labels as the frozen graph's, mIoU on 22 photos",
        rows=rows,
    )


def masks_of(output: Path, photos: Sequence[Path]) -> list[Labels]:
    """The label maps that a run wrote, in the order of the photos."""
    table = ds.dataset(output / "masks", format="parquet").to_table()
    found = {
        Path(row["image_uri"]).name: np.asarray(Image.open(io.BytesIO(row["mask"]["bytes"])))
        for row in table.to_pylist()
    }
    return [found[photo.name] for photo in photos]


def mean_iou(answers: Sequence[Labels], truth: Sequence[NDArray[np.uint8]]) -> float:
    """Mean intersection over union over the classes that the truth holds."""
    confusion = np.zeros((_CLASSES, _CLASSES), np.int64)
    for answer, true in zip(answers, truth, strict=True):
        counted = true != _VOID
        pairs = true[counted].astype(int) * _CLASSES + answer[counted]
        confusion += np.bincount(pairs, minlength=_CLASSES**2).reshape(_CLASSES, _CLASSES)
    both = confusion.diagonal()
    either = confusion.sum(axis=0) + confusion.sum(axis=1) - both
    held = confusion.sum(axis=1) > 0
    return float((both[held] / either[held]).mean())


if __name__ == "__main__":
    run_alone(measure)
