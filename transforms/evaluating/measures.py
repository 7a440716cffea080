"""What is computed from a tally: the measures of semantic segmentation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from beam_deeplab.deeplab.truth.scores import class_iou, known_mean, pixel_accuracy, ratios
from beam_deeplab.transforms.evaluating.tally import Tally

MAJOR: Final = 0.01
"""The share of a picture from which on a class is one of its major ones."""


@dataclass(frozen=True, slots=True)
class Measures:
    """The measures of one picture or of many, in [0, 1]; None where there is nothing to measure.

    With the confusion matrix M, M[t, p] pixels of the true class t that were predicted as p, and
    the pixels that the truth or the mask ignores left out:

    Attributes:
        iou: For each class M[c, c] / (sum of row c + sum of column c - M[c, c]); None for a class
            that occurs neither in the truth nor in the prediction.
        miou: The mean of ``iou`` over the classes that have one. So a class that occurs only in the
            prediction counts as 0, as in TensorFlow's ``mean_iou``, by which the official figures
            were computed.
        major_miou: The same over the classes whose union of row and column is at least 1 % of all
            pixels: what ranks pictures, since a few stray pixels of a class cost it nothing.
        pixel_accuracy: The trace of M over its sum.
        mean_accuracy: M[c, c] / sum of row c, its mean over the classes that occur in the truth.
        frequency_weighted_iou: The sum over classes of ``iou`` times the class's share of the true
            pixels.
        boundary_iou: For each class its IoU where only pixels near its contour belong to it, those
            of the truth near the true contour, those of the prediction near the predicted one
            (:func:`transforms.evaluating.tally.boundary_band`); None as for ``iou``.
        mean_boundary_iou: The mean of ``boundary_iou`` over the classes that have one.
    """

    iou: tuple[float | None, ...]
    miou: float | None
    major_miou: float | None
    pixel_accuracy: float | None
    mean_accuracy: float | None
    frequency_weighted_iou: float | None
    boundary_iou: tuple[float | None, ...]
    mean_boundary_iou: float | None


def measure(tally: Tally) -> Measures:
    """Compute all measures from the counts of any number of pictures."""
    hits = tally.confusion.diagonal()
    true = tally.confusion.sum(axis=1)
    union = true + tally.confusion.sum(axis=0) - hits
    pixels = int(true.sum())
    iou = class_iou(tally.confusion)
    boundary_iou = ratios(
        tally.common_band, tally.true_band + tally.predicted_band - tally.common_band
    )
    occurs = true > 0
    return Measures(
        iou=_optional(iou),
        miou=known_mean(iou),
        major_miou=known_mean(iou[union >= MAJOR * pixels]),
        pixel_accuracy=pixel_accuracy(tally.confusion),
        mean_accuracy=known_mean(ratios(hits, true)),
        frequency_weighted_iou=float(iou[occurs] @ true[occurs] / pixels) if pixels else None,
        boundary_iou=_optional(boundary_iou),
        mean_boundary_iou=known_mean(boundary_iou),
    )


def _optional(ratios: NDArray[np.float64]) -> tuple[float | None, ...]:
    return tuple(None if np.isnan(ratio) else float(ratio) for ratio in ratios)
