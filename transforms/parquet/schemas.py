"""The Parquet schemas of the three datasets, and what every file says about its run."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import pyarrow as pa

CLASS_AREAS = "class_areas"
FAILURES = "failures"
MASKS = "masks"

DATASETS = (CLASS_AREAS, FAILURES, MASKS)
"""In the order in which a shard's parts are written."""

_IMAGE = [
    pa.field("image_uri", pa.string(), nullable=False),
    pa.field("image_version", pa.string(), nullable=False),
    pa.field("shard", pa.string(), nullable=False),
]

_FIELDS = {
    CLASS_AREAS: [
        *_IMAGE,
        pa.field("class_id", pa.int32(), nullable=False),
        pa.field("class_name", pa.string(), nullable=False),
        pa.field("pixels", pa.int64(), nullable=False),
        pa.field("fraction", pa.float64(), nullable=False),
        pa.field("mean_confidence", pa.float64(), nullable=False),
    ],
    FAILURES: [
        *_IMAGE,
        pa.field("stage", pa.string(), nullable=False),
        pa.field("code", pa.string(), nullable=False),
        pa.field("message", pa.string(), nullable=False),
    ],
    MASKS: [
        *_IMAGE,
        pa.field("width", pa.int32(), nullable=False),
        pa.field("height", pa.int32(), nullable=False),
        pa.field("mask", pa.struct([("bytes", pa.binary()), ("path", pa.string())])),
    ],
}

RUN_KEY = b"beam_deeplab"
COUNTS_KEY = b"beam_deeplab_shard"
_HUGGINGFACE = {b"huggingface": json.dumps({"info": {"features": {"mask": {"_type": "Image"}}}})}


@dataclass(frozen=True, slots=True)
class ShardCounts:
    """What a whole shard holds, repeated in each of its parts.

    Attributes:
        images: Images of the shard: masks and failures together.
        masks: Rows of its ``masks`` part.
        failures: Rows of its ``failures`` part.
        class_areas: Rows of its ``class_areas`` part.
    """

    images: int
    masks: int
    failures: int
    class_areas: int

    def rows(self, dataset: str) -> int:
        """Rows of the shard's part in ``dataset``; a part of 0 rows is not written."""
        return {MASKS: self.masks, FAILURES: self.failures, CLASS_AREAS: self.class_areas}[dataset]


def dataset_schema(
    dataset: str, run: Mapping[str, Any] | None = None, counts: ShardCounts | None = None
) -> pa.Schema:
    """The Arrow schema of a dataset, with the metadata that its files carry.

    ``masks`` carries the key ``huggingface``, by which the library ``datasets`` decodes the
    column ``mask`` as pictures.

    Args:
        dataset: One of :data:`DATASETS`.
        run: What made the rows (model, digest, classes, palette, version, options).
        counts: What the file's shard holds.

    Returns:
        The schema.
    """
    metadata: dict[bytes, str] = dict(_HUGGINGFACE) if dataset == MASKS else {}
    if run is not None:
        metadata[RUN_KEY] = json.dumps(run, sort_keys=True)
    if counts is not None:
        metadata[COUNTS_KEY] = json.dumps(asdict(counts))
    return pa.schema(_FIELDS[dataset], metadata=metadata or None)


def with_counts(table: pa.Table, counts: ShardCounts) -> pa.Table:
    """The table, its metadata saying that its shard holds these counts."""
    metadata = dict(table.schema.metadata or {})
    metadata[COUNTS_KEY] = json.dumps(asdict(counts)).encode()
    return table.replace_schema_metadata(metadata)


def counts_from_metadata(metadata: Mapping[bytes, bytes] | None) -> ShardCounts | None:
    """The shard counts that a part's file metadata holds; None if it is not one of ours."""
    if metadata is None or COUNTS_KEY not in metadata:
        return None
    return ShardCounts(**json.loads(metadata[COUNTS_KEY]))
