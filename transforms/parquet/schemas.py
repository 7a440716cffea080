"""The Parquet schemas of what shards write, and what every file says about its run."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import pyarrow as pa

FAILURES = "failures"
MASKS = "masks"
RENDERS = "renders"

RESULTS = (MASKS, RENDERS)
"""What a run makes of images: each run one of these."""

DATASETS = (FAILURES, *RESULTS)
"""In the order in which a shard's parts are written: that of its results makes it finished."""

FILE_COLUMNS = {MASKS: "mask", RENDERS: "image"}
"""The column of each result that holds a file's bytes."""

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

_ORIGINAL = (
    pa.field("width", pa.int32(), nullable=False),
    pa.field("height", pa.int32(), nullable=False),
    pa.field("orientation", pa.int8(), nullable=False),
    pa.field("scale", pa.float64(), nullable=False),
    pa.field("truncated", pa.bool_(), nullable=False),
)
"""See :class:`transforms.records.Original`."""

_FILE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])

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
        *_ORIGINAL,
        pa.field("mask", _FILE),
        pa.field("areas", pa.list_(pa.field("element", AREA, nullable=False)), nullable=False),
    ],
    RENDERS: [
        *IMAGE_FIELDS,
        _SHARD,
        *_ORIGINAL,
        pa.field("effect", pa.string(), nullable=False),
        pa.field("subject_fraction", pa.float64(), nullable=False),
        pa.field("image", _FILE),
    ],
}

RUN_KEY = b"beam_deeplab"
COUNTS_KEY = b"beam_deeplab_shard"


@dataclass(frozen=True, slots=True)
class ShardCounts:
    """Rows of a whole shard's parts, said by each of them; one of 0 rows is not written."""

    masks: int = 0
    failures: int = 0
    renders: int = 0

    @property
    def total(self) -> int:
        """Rows of all parts."""
        return sum(map(self.rows, DATASETS))

    def rows(self, dataset: str) -> int:
        """Rows of the shard's part in ``dataset``."""
        return {MASKS: self.masks, FAILURES: self.failures, RENDERS: self.renders}[dataset]


def dataset_schema(
    dataset: str, run: Mapping[str, Any] | None = None, counts: ShardCounts | None = None
) -> pa.Schema:
    """The Arrow schema of a dataset, with the metadata that its files carry.

    These are what made the rows (model, digest, classes, palette, version, options), and what the
    file's shard holds. Results carry the key ``huggingface``, by which the library ``datasets``
    decodes their column of files as pictures.
    """
    metadata: dict[bytes, str] = {}
    if dataset in FILE_COLUMNS:
        features = {FILE_COLUMNS[dataset]: {"_type": "Image"}}
        metadata[b"huggingface"] = json.dumps({"info": {"features": features}})
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
