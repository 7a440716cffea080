"""Intersection over union, from a confusion matrix: the same in training and in evaluation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def class_iou(confusion: NDArray[np.int64]) -> NDArray[np.float64]:
    """Intersection over union of each class.

    Args:
        confusion: int64 of shape [classes, classes]: pixels by true class (rows) and predicted
            class (columns).

    Returns:
        float64 of shape [classes], each 0 to 1; NaN for a class that is neither there nor
        predicted.
    """
    hits = confusion.diagonal()
    return ratios(hits, confusion.sum(axis=1) + confusion.sum(axis=0) - hits)


def known_mean(scores: NDArray[np.float64]) -> float | None:
    """The mean of the scores that are not NaN; of :func:`class_iou` the mIoU. None if none is."""
    known = scores[~np.isnan(scores)]
    return float(known.mean()) if len(known) else None


def pixel_accuracy(confusion: NDArray[np.int64]) -> float | None:
    """Share of the labelled pixels whose class was predicted; None if there are none."""
    total = int(confusion.sum())
    return float(confusion.trace() / total) if total else None


def ratios(parts: NDArray[Any], wholes: NDArray[Any]) -> NDArray[np.float64]:
    """Parts over wholes: float64, NaN where the whole is 0."""
    found = np.full(len(parts), np.nan)
    np.divide(parts, wholes, out=found, where=wholes > 0)
    return found
