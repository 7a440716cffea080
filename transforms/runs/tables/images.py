"""``images``: one row an image, also where it failed; of masks a fraction for every class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from beam_deeplab.deeplab.truth.scores import ratios
from beam_deeplab.transforms.parquet.names import column_names, relative_name
from beam_deeplab.transforms.parquet.schemas import AREA, IMAGE_FIELDS
from beam_deeplab.transforms.runs.tables.table import Collection, DerivedTable, ShardRows

DONE = "done"
FAILED = "failed"


def images_schema(collection: Collection) -> pa.Schema:
    """Image, name, status, size, confidence, the fraction that is ignored, and that of each class.

    What an image without a mask cannot have is null, and its fractions too; a class that is not
    in a picture has the fraction 0, so that ``avg(fraction_dog)`` is over all pictures.
    """
    fractions = column_names(collection.labels.names, "fraction_")
    return _schema([pa.field(name, pa.float64()) for name in ("confidence", "ignored", *fractions)])


def rendered_schema(_: Collection) -> pa.Schema:
    """Image, name, status, size, effect and the subject's fraction; null where it failed."""
    own = [pa.field("effect", pa.string()), pa.field("subject_fraction", pa.float64())]
    return _schema(own)


def _schema(own: Sequence[pa.Field]) -> pa.Schema:
    return pa.schema(
        [
            *IMAGE_FIELDS,
            pa.field("name", pa.string(), nullable=False),
            pa.field("status", pa.string(), nullable=False),
            pa.field("code", pa.string()),
            pa.field("width", pa.int32()),
            pa.field("height", pa.int32()),
            pa.field("scale", pa.float64()),
            pa.field("truncated", pa.bool_()),
            *own,
        ]
    )


def images_rows(shard: ShardRows, collection: Collection) -> pa.Table:
    """The images of a shard: those with a mask, then those that failed."""
    masks, schema = shard.results, images_schema(collection)
    areas = masks.column("areas").combine_chunks()
    flat = pc.list_flatten(areas)
    fractions = np.zeros((masks.num_rows, len(collection.labels.names)))
    image = pc.list_parent_indices(areas).to_numpy()
    label, pixels, fraction, mean = (pc.struct_field(flat, name).to_numpy() for name in AREA.names)
    fractions[image, label] = fraction
    labelled = np.bincount(image, pixels, masks.num_rows)
    confidence = ratios(np.bincount(image, pixels * mean, masks.num_rows), labelled)
    size = [masks.column(side).to_numpy().astype(np.int64) for side in ("width", "height")]
    own = {
        "confidence": pa.array(confidence, from_pandas=True),  # null where all is ignored
        "ignored": 1 - labelled / (size[0] * size[1]),
        **dict(zip(schema.names[-fractions.shape[1] :], fractions.T, strict=True)),
    }
    return _rows(shard, collection, schema, own)


def rendered_rows(shard: ShardRows, collection: Collection) -> pa.Table:
    """The images of a shard: those that were rendered, then those that failed."""
    own = {name: shard.results.column(name) for name in ("effect", "subject_fraction")}
    return _rows(shard, collection, rendered_schema(collection), own)


def _rows(
    shard: ShardRows, collection: Collection, schema: pa.Schema, own: Mapping[str, Any]
) -> pa.Table:
    results, failures = shard.results, shard.failures
    done = {
        "image_uri": results.column("image_uri"),
        "image_version": results.column("image_version"),
        "name": _names(results, collection),
        "status": [DONE] * results.num_rows,
        "code": pa.nulls(results.num_rows, pa.string()),
        **{name: results.column(name) for name in ("width", "height", "scale", "truncated")},
        **own,
    }
    failed = {
        "image_uri": failures.column("image_uri"),
        "image_version": failures.column("image_version"),
        "name": _names(failures, collection),
        "status": [FAILED] * failures.num_rows,
        "code": failures.column("code"),
    }
    nothing = {
        field.name: pa.nulls(failures.num_rows, field.type)
        for field in schema
        if field.name not in failed
    }
    return pa.concat_tables([pa.table(done, schema), pa.table(failed | nothing, schema)])


def _names(images: pa.Table, collection: Collection) -> list[str]:
    uris = images.column("image_uri").to_pylist()
    return [relative_name(uri, collection.images_root) for uri in uris]


IMAGES = DerivedTable("images", images_schema, images_rows)
RENDERED_IMAGES = DerivedTable("images", rendered_schema, rendered_rows)
