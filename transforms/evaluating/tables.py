"""What an evaluation knows, as tables: pairs, their scores, what has none, and sums by class."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from beam_deeplab.deeplab.labels import LabelSet
from beam_deeplab.deeplab.truth.scores import ratios
from beam_deeplab.transforms import storage
from beam_deeplab.transforms.evaluating.measures import measure
from beam_deeplab.transforms.evaluating.scoring import ImageScore
from beam_deeplab.transforms.evaluating.tally import Tally
from beam_deeplab.transforms.records import Failure, ImageRef, LabelledRef

_PAIR = [
    pa.field("image_uri", pa.string()),
    pa.field("image_version", pa.string()),
    pa.field("truth_uri", pa.string()),
    pa.field("truth_version", pa.string()),
]
_CLASS_IOU = pa.struct(
    [
        pa.field("class_id", pa.int32(), nullable=False),
        pa.field("class_name", pa.string(), nullable=False),
        pa.field("iou", pa.float64(), nullable=False),
    ]
)

PAIRS_SCHEMA: Final = pa.schema(_PAIR)
"""A row a pair: a list that ``--input`` of ``segment`` and of ``evaluate`` takes."""

SCORES_SCHEMA: Final = pa.schema(
    [
        *_PAIR,
        pa.field("width", pa.int32(), nullable=False),
        pa.field("height", pa.int32(), nullable=False),
        pa.field("pixels", pa.int64(), nullable=False),
        pa.field("correct_pixels", pa.int64(), nullable=False),
        pa.field("ignored_pixels", pa.int64(), nullable=False),
        pa.field("pixel_accuracy", pa.float64()),
        pa.field("miou", pa.float64()),
        pa.field("major_miou", pa.float64()),
        pa.field("boundary_iou", pa.float64()),
        pa.field("class_iou", pa.list_(_CLASS_IOU), nullable=False),
    ]
)
"""A row a scored image. ``pixels`` are those that have a class in truth and mask, and
``ignored_pixels`` those that have one in the truth only; the measures are
:class:`transforms.evaluating.measures.Measures` of the image alone, null if it has no such pixel;
``class_iou`` holds the classes that occur in its truth or its mask."""

FAILURES_SCHEMA: Final = pa.schema(
    [
        *_PAIR,
        pa.field("stage", pa.string(), nullable=False),
        pa.field("code", pa.string(), nullable=False),
        pa.field("message", pa.string(), nullable=False),
    ]
)
"""A row an image, or a truth without one, that has no score."""


def pairs_table(pairs: Iterable[LabelledRef]) -> pa.Table:
    """Pairs as a table of :data:`PAIRS_SCHEMA`."""
    return pa.table(_pair_columns(pairs), schema=PAIRS_SCHEMA)


def read_pairs(uri: str) -> list[LabelledRef]:
    """Reads a table of pairs back; OSError if it is not there, or damaged."""
    rows = pq.read_table(io.BytesIO(storage.read(uri)), schema=PAIRS_SCHEMA).to_pylist()
    return [_labelled({key: value or "" for key, value in row.items()}) for row in rows]


def failures_table(rows: Sequence[Failure]) -> pa.Table:
    """Failures as a table of :data:`FAILURES_SCHEMA`."""
    columns = _pair_columns(row.ref for row in rows) | {
        "stage": [str(row.stage) for row in rows],
        "code": [str(row.code) for row in rows],
        "message": [row.message for row in rows],
    }
    return pa.table(columns, schema=FAILURES_SCHEMA)


def scores_table(rows: Sequence[ImageScore], class_names: Sequence[str]) -> pa.Table:
    """Scores as a table of :data:`SCORES_SCHEMA`."""
    measures = [measure(row.tally) for row in rows]
    columns = _pair_columns(row.ref for row in rows) | {
        "width": [row.width for row in rows],
        "height": [row.height for row in rows],
        "pixels": [int(row.tally.confusion.sum()) for row in rows],
        "correct_pixels": [int(np.trace(row.tally.confusion)) for row in rows],
        "ignored_pixels": [row.tally.ignored for row in rows],
        "pixel_accuracy": [each.pixel_accuracy for each in measures],
        "miou": [each.miou for each in measures],
        "major_miou": [each.major_miou for each in measures],
        "boundary_iou": [each.mean_boundary_iou for each in measures],
        "class_iou": [
            [
                {"class_id": label, "class_name": class_names[label], "iou": iou}
                for label, iou in enumerate(each.iou)
                if iou is not None
            ]
            for each in measures
        ],
    }
    return pa.table(columns, schema=SCORES_SCHEMA)


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


def _labelled(row: Mapping[str, str]) -> LabelledRef:
    truth = ImageRef(row["truth_uri"], row["truth_version"])
    return LabelledRef(row["image_uri"], row["image_version"], truth)


def _pair_columns(refs: Iterable[ImageRef]) -> dict[str, Any]:
    pairs = [ref for ref in refs if isinstance(ref, LabelledRef)]
    return {
        "image_uri": [ref.uri or None for ref in pairs],
        "image_version": [ref.version or None for ref in pairs],
        "truth_uri": [ref.truth.uri or None for ref in pairs],
        "truth_version": [ref.truth.version or None for ref in pairs],
    }
