"""``images``: one row an image, whether it has a mask or not, with a fraction for every class."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from beam_deeplab.transforms.parquet.names import column_names, relative_name
from beam_deeplab.transforms.parquet.schemas import IMAGE_FIELDS
from beam_deeplab.transforms.runs.tables.table import Collection, DerivedTable, ShardRows

DONE = "done"
FAILED = "failed"


def images_schema(collection: Collection) -> pa.Schema:
    """Image, name, status, size and confidence, and ``fraction_<class>`` for each class.

    What an image without a mask cannot have is null, and its fractions too; a class that is not
    in a picture has the fraction 0, so that ``avg(fraction_dog)`` is over all pictures.
    """
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
            pa.field("confidence", pa.float64()),
            *(
                pa.field(name, pa.float64())
                for name in column_names(collection.labels.names, "fraction_")
            ),
        ]
    )


def images_rows(shard: ShardRows, collection: Collection) -> pa.Table:
    """The images of a shard: those with a mask, then those that failed."""
    schema = images_schema(collection)
    masks, failures = shard.masks, shard.failures
    areas = masks.column("areas").combine_chunks()
    flat = pc.list_flatten(areas)
    fractions = np.zeros((masks.num_rows, len(collection.labels.names)))
    present = pc.list_parent_indices(areas).to_numpy(), pc.struct_field(flat, "class_id").to_numpy()
    fractions[present] = pc.struct_field(flat, "fraction").to_numpy()
    confidence = np.zeros_like(fractions)
    confidence[present] = pc.struct_field(flat, "mean_confidence").to_numpy()
    done = {
        "image_uri": masks.column("image_uri"),
        "image_version": masks.column("image_version"),
        "name": _names(masks, collection),
        "status": [DONE] * masks.num_rows,
        "code": pa.nulls(masks.num_rows, pa.string()),
        **{name: masks.column(name) for name in ("width", "height", "scale", "truncated")},
        "confidence": (fractions * confidence).sum(axis=1),
        **dict(zip(schema.names[-fractions.shape[1] :], fractions.T, strict=True)),
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
