"""The Parquet schemas of what shards write, and what every file says about its run."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import pyarrow as pa

FAILURES = "failures"
MASKS = "masks"

DATASETS = (FAILURES, MASKS)
"""In the order in which a shard's parts are written: its masks part makes it finished."""

AREA = pa.struct(
    [
        pa.field("class_id", pa.int32(), nullable=False),
        pa.field("pixels", pa.int64(), nullable=False),
        pa.field("fraction", pa.float64(), nullable=False),
        pa.field("mean_confidence", pa.float64(), nullable=False),
    ]
)
"""One class of one image: see :class:`transforms.records.ClassArea`."""

IMAGE_FIELDS = (
    pa.field("image_uri", pa.string(), nullable=False),
    pa.field("image_version", pa.string(), nullable=False),
)
"""What names an image in every table."""

_SHARD = pa.field("shard", pa.string(), nullable=False)

_FIELDS = {
    FAILURES: [
        *IMAGE_FIELDS,
        _SHARD,
        pa.field("stage", pa.string(), nullable=False),
        pa.field("code", pa.string(), nullable=False),
        pa.field("message", pa.string(), nullable=False),
    ],
    MASKS: [
        *IMAGE_FIELDS,
        _SHARD,
        pa.field("width", pa.int32(), nullable=False),
        pa.field("height", pa.int32(), nullable=False),
        pa.field("orientation", pa.int8(), nullable=False),
        pa.field("scale", pa.float64(), nullable=False),
        pa.field("truncated", pa.bool_(), nullable=False),
        pa.field("mask", pa.struct([("bytes", pa.binary()), ("path", pa.string())])),
        pa.field("areas", pa.list_(pa.field("element", AREA, nullable=False)), nullable=False),
    ],
}

RUN_KEY = b"beam_deeplab"
COUNTS_KEY = b"beam_deeplab_shard"
_HUGGINGFACE = {b"huggingface": json.dumps({"info": {"features": {"mask": {"_type": "Image"}}}})}


@dataclass(frozen=True, slots=True)
class ShardCounts:
    """Rows of a whole shard's parts, said by each of them; one of 0 rows is not written."""

    masks: int
    failures: int

    def rows(self, dataset: str) -> int:
        """Rows of the shard's part in ``dataset``."""
        return {MASKS: self.masks, FAILURES: self.failures}[dataset]


def dataset_schema(
    dataset: str, run: Mapping[str, Any] | None = None, counts: ShardCounts | None = None
) -> pa.Schema:
    """The Arrow schema of a dataset, with the metadata that its files carry.

    These are what made the rows (model, digest, classes, palette, version, options), and what the
    file's shard holds. ``masks`` carries the key ``huggingface``, by which the library ``datasets``
    decodes the column ``mask`` as pictures.
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


def counts_of(metadata: Mapping[bytes, bytes] | None) -> ShardCounts:
    """The shard counts in a part's file metadata; ValueError if that is no part of ours."""
    try:
        return ShardCounts(**json.loads((metadata or {})[COUNTS_KEY]))
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError("it does not say what its shard holds") from error


def run_of(metadata: Mapping[bytes, bytes] | None) -> dict[str, Any]:
    """What a part's file metadata says of the run that made it; empty if nothing."""
    content = (metadata or {}).get(RUN_KEY)
    return dict(json.loads(content)) if content else {}
