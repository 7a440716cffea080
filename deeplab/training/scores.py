"""Scores of a confusion matrix."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def class_iou(confusion: NDArray[np.int64]) -> NDArray[np.float64]:
    """Intersection over union of each class.

    Args:
        confusion: int64 [classes, classes]: pixels by class and by predicted class.

    Returns:
        float64 [classes], each 0 to 1; NaN for a class that is neither there nor predicted.
    """
    hits = np.diag(confusion).astype(np.float64)
    union = confusion.sum(0) + confusion.sum(1) - hits
    scores = np.full(len(hits), np.nan)
    np.divide(hits, union, out=scores, where=union > 0)
    return scores


def mean_iou(confusion: NDArray[np.int64]) -> float:
    """The mean of :func:`class_iou` over the classes that have one; 0 if none has."""
    scores = class_iou(confusion)
    return float(np.nanmean(scores)) if np.isfinite(scores).any() else 0.0


def pixel_accuracy(confusion: NDArray[np.int64]) -> float:
    """Share of the labelled pixels whose class was predicted; 0 if there are none."""
    total = int(confusion.sum())
    return float(np.trace(confusion)) / total if total else 0.0
