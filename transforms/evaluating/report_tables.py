"""The counts of an evaluation as tables: by class, and by pair of classes."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from beam_deeplab.deeplab.labels import LabelSet
from beam_deeplab.deeplab.truth.scores import ratios
from beam_deeplab.transforms.evaluating.measures import measure
from beam_deeplab.transforms.evaluating.tally import Tally


def classes_table(tally: Tally, labels: LabelSet) -> pa.Table:
    """A row a class: its pixels in the truth, in the masks and in both, and what follows.

    Returns:
        ``class_id``, ``class_name``, ``true_pixels``, ``predicted_pixels``, ``common_pixels``,
        ``iou``, ``boundary_iou``, ``accuracy`` (common over true) and ``precision`` (common over
        predicted); a ratio is null where its whole is 0.
    """
    hits = tally.confusion.diagonal()
    true, predicted = tally.confusion.sum(axis=1), tally.confusion.sum(axis=0)
    measures = measure(tally)
    return pa.table(
        {
            "class_id": pa.array(range(tally.classes), pa.int32()),
            "class_name": pa.array(labels.names, pa.string()),
            "true_pixels": pa.array(true, pa.int64()),
            "predicted_pixels": pa.array(predicted, pa.int64()),
            "common_pixels": pa.array(hits, pa.int64()),
            "iou": pa.array(measures.iou, pa.float64()),
            "boundary_iou": pa.array(measures.boundary_iou, pa.float64()),
            "accuracy": pa.array(ratios(hits, true), from_pandas=True),
            "precision": pa.array(ratios(hits, predicted), from_pandas=True),
        }
    )


def confusion_table(tally: Tally, labels: LabelSet) -> pa.Table:
    """The confusion matrix in long form, a row a pair of classes, also where it holds 0.

    Returns:
        ``true_class_id``, ``true_class``, ``predicted_class_id``, ``predicted_class`` and
        ``pixels``, by the ids.
    """
    ids = np.arange(tally.classes, dtype=np.int32)
    true, predicted = np.repeat(ids, tally.classes), np.tile(ids, tally.classes)
    names = pa.array(labels.names, pa.string())
    return pa.table(
        {
            "true_class_id": pa.array(true),
            "true_class": names.take(pa.array(true)),
            "predicted_class_id": pa.array(predicted),
            "predicted_class": names.take(pa.array(predicted)),
            "pixels": pa.array(tally.confusion.ravel()),
        }
    )
