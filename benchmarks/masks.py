"""From logits to a label map alone: ours beside TensorFlow's resizes and argmax.

The logits are the frozen graph's for the 22 photos, each taken as the reduction of a larger photo
of the same aspect. The peer is one traced TensorFlow function (:mod:`benchmarks.official`):
logits to the canvas, crop, to the picture, argmax, as uint8. Times are the median over
the pictures, each the median of its turns; memory is the peak of resident memory over what the
process held before the call, after a warm-up at the same size, largest over the pictures; the
label map itself is in it on both sides.

Both sides' labels are compared with the definition in float64 (:mod:`benchmarks.reference`):
``wrong`` is the share of pixels that differ from it although there is no tie.

``mask_ratio`` is TensorFlow's time over ours at 12 MP, ``mask_memory_share`` our memory over
TensorFlow's there.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.children import Child, peak_bytes, reset_peak_memory, resident_bytes
from benchmarks.engine import STRIDE, pixels_of
from benchmarks.measurement import Measurement, Row, Settings, median
from benchmarks.official import FrozenGraph, Labels, Size, labels_by_tensorflow
from benchmarks.photos import size_at, voc_photos
from benchmarks.reference import wrong_pixels
from benchmarks.suite import run_alone

_MEGAPIXELS = (0.2, 2.0, 12.0, 48.0)
_BAR = 12.0
_PICTURES_AT_MOST = {48.0: 6}
"""TensorFlow takes seconds and 4 GB for each."""

Call = tuple[float, int]
"""Seconds and bytes."""


class OurMasks:
    """Our way; the last label map is kept for :meth:`save`."""

    def run(self, logits: NDArray[np.float32], content: Size, original: Size) -> Call:
        """One label map."""
        from beam_deeplab.transforms.masks.label_maps import label_map

        return self._measured(lambda: label_map(logits, STRIDE, content, original))

    def save(self, path: Path) -> None:
        """Writes the last label map."""
        np.save(path, self._labels)

    def _measured(self, make: Callable[[], Labels]) -> Call:
        self._labels = np.empty((0, 0), np.uint8)
        reset_peak_memory()
        before = resident_bytes()
        start = time.perf_counter()
        self._labels = make()
        seconds = time.perf_counter() - start
        return seconds, peak_bytes() - before


class TensorFlowMasks(OurMasks):
    """The peer."""

    def run(self, logits: NDArray[np.float32], content: Size, original: Size) -> Call:
        """One label map."""
        return self._measured(lambda: labels_by_tensorflow(logits, content, original))


class _Logits:
    """The frozen graph, in a process that ends when it has answered."""

    def __init__(self, frozen_graph: Path) -> None:
        self._graph = FrozenGraph(frozen_graph)

    def of(self, photo: Path) -> tuple[NDArray[np.float32], Size]:
        """Logits of a photo, and its size."""
        pixels = pixels_of(photo)
        return self._graph.logits(pixels), pixels.shape[:2]


def measure(settings: Settings) -> Measurement:
    with Child(_Logits, settings.frozen_graph) as graph:
        pictures = [graph.call(_Logits.of, photo) for photo in voc_photos(settings.shared)]
    rows: list[Row] = []
    ratios: dict[str, float | None] = {}
    with Child(OurMasks) as ours, Child(TensorFlowMasks) as peer:
        for megapixels in (_BAR,) if settings.bars else _MEGAPIXELS:
            row = _compare(settings, megapixels, pictures, ours, peer)
            rows.append(row)
            if megapixels == _BAR:
                ratios["mask_ratio"] = float(row["times faster"] or 0)
                ratios["mask_memory_share"] = float(row["memory share"] or 0)
    return Measurement(
        name="masks",
        title="Logits to label map: ours and TensorFlow's resizes and argmax",
        rows=rows,
        ratios=ratios,
        notes=["Times are medians over the pictures, memory and wrong labels the worst picture."],
    )


def _compare(
    settings: Settings,
    megapixels: float,
    pictures: list[tuple[NDArray[np.float32], Size]],
    ours: Child[OurMasks],
    peer: Child[TensorFlowMasks],
) -> Row:
    chosen = pictures[: _PICTURES_AT_MOST.get(megapixels)]
    times: dict[str, list[float]] = {"ours": [], "peer": []}
    memory: dict[str, list[int]] = {"ours": [], "peer": []}
    wrong: dict[str, list[float]] = {"ours": [], "peer": []}
    for index, (logits, content) in enumerate(chosen):
        original = size_at(content[0], content[1], megapixels)
        calls: dict[str, list[Call]] = {"ours": [], "peer": []}
        if index == 0:
            ours.call(OurMasks.run, logits, content, original)
            peer.call(TensorFlowMasks.run, logits, content, original)
        for _ in range(settings.repeats):
            calls["ours"].append(ours.call(OurMasks.run, logits, content, original))
            calls["peer"].append(peer.call(TensorFlowMasks.run, logits, content, original))
        for name, own in calls.items():
            times[name].append(median([seconds for seconds, _ in own]))
            memory[name].append(max(size for _, size in own))
        labels = [_last_labels(child, settings.workspace) for child in (ours, peer)]
        counts = wrong_pixels(labels, logits, STRIDE, content)
        for name, count in zip(("ours", "peer"), counts, strict=True):
            wrong[name].append(count / labels[0].size)
    return {
        "MP": megapixels,
        "pictures": len(chosen),
        "ours ms": 1000 * median(times["ours"]),
        "worst ms": 1000 * max(times["ours"]),
        "TensorFlow ms": 1000 * median(times["peer"]),
        "times faster": median(times["peer"]) / median(times["ours"]),
        "ours MB": max(memory["ours"]) / 1e6,
        "TensorFlow MB": max(memory["peer"]) / 1e6,
        "memory share": max(memory["ours"]) / max(memory["peer"]),
        "ours wrong": max(wrong["ours"]),
        "TensorFlow wrong": max(wrong["peer"]),
    }


def _last_labels(child: Child[OurMasks], workspace: Path) -> Labels:
    path = workspace / "labels.npy"
    child.call(OurMasks.save, path)
    labels: Labels = np.load(path)
    return labels


if __name__ == "__main__":
    run_alone(measure)
