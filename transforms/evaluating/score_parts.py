"""The scores and failures of one shard as Parquet parts, which the commit puts together.

They are under the output's folder ``.shards/`` until then: durable as each shard ends, so that
progress can be told from them, and gone when the evaluation is committed.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from beam_deeplab.transforms import storage
from beam_deeplab.transforms.evaluating.measures import measure
from beam_deeplab.transforms.evaluating.scoring import ImageScore
from beam_deeplab.transforms.evaluating.tally import Tally
from beam_deeplab.transforms.metrics import count
from beam_deeplab.transforms.parquet.parts import parquet_bytes
from beam_deeplab.transforms.parquet.schemas import FAILURES
from beam_deeplab.transforms.records import Failure, LabelledRef, Part

SCORES: Final = "scores"

FOLDER: Final = ".shards"
"""Below the output, while the evaluation runs."""

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

SCORES_SCHEMA: Final = pa.schema(
    [
        *_PAIR,
        pa.field("width", pa.int32(), nullable=False),
        pa.field("height", pa.int32(), nullable=False),
        pa.field("pixels", pa.int64(), nullable=False),
        pa.field("correct_pixels", pa.int64(), nullable=False),
        pa.field("pixel_accuracy", pa.float64()),
        pa.field("miou", pa.float64()),
        pa.field("boundary_iou", pa.float64()),
        pa.field("class_iou", pa.list_(_CLASS_IOU), nullable=False),
    ]
)
"""A row a scored image. ``pixels`` are those that the truth does not ignore; the measures are
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


@dataclass(frozen=True, slots=True)
class ScoredShard:
    """What one shard came to.

    Attributes:
        id: The shard's id.
        scores: Images scored.
        failures: Images that were not.
        tally: The pixel counts of those scored.
    """

    id: str
    scores: int
    failures: int
    tally: Tally


def write_score_parts(
    folder: str, shard: str, rows: Sequence[ImageScore | Failure], class_names: Sequence[str]
) -> None:
    """Writes the parts of one shard, each atomically; again and again with the same result.

    Args:
        folder: Where parts go: :data:`FOLDER` below the output.
        shard: The shard's id.
        rows: One row a pair.
        class_names: One name a class.
    """
    scores = [row for row in rows if isinstance(row, ImageScore)]
    failures = [row for row in rows if isinstance(row, Failure)]
    for dataset, table in (
        (FAILURES, failures_table(failures)),
        (SCORES, scores_table(scores, class_names)),
    ):
        uri = storage.join(folder, Part(dataset, shard, 0, 0).path)
        if table.num_rows:
            content = parquet_bytes(table)
            storage.write_atomically(uri, content)
            count("bytes_written", len(content))
        else:
            storage.delete(uri)


def read_score_part(folder: str, dataset: str, shard: str) -> pa.Table:
    """Reads a part back.

    Raises:
        OSError: It is not there, or damaged.
    """
    content = storage.read(storage.join(folder, Part(dataset, shard, 0, 0).path))
    return pq.read_table(io.BytesIO(content))


def failures_table(rows: Sequence[Failure]) -> pa.Table:
    """Failures as a table of :data:`FAILURES_SCHEMA`."""
    columns = _pair_columns(_labelled(row) for row in rows) | {
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
        "pixel_accuracy": [each.pixel_accuracy for each in measures],
        "miou": [each.miou for each in measures],
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


def _labelled(row: Failure) -> LabelledRef:
    assert isinstance(row.ref, LabelledRef)
    return row.ref


def _pair_columns(refs: Iterable[LabelledRef]) -> dict[str, Any]:
    pairs = list(refs)
    return {
        "image_uri": [ref.uri or None for ref in pairs],
        "image_version": [ref.version or None for ref in pairs],
        "truth_uri": [ref.truth.uri or None for ref in pairs],
        "truth_version": [ref.truth.version or None for ref in pairs],
    }
