"""``class_areas``: one row for each class that is present in an image."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from beam_deeplab.transforms.parquet.schemas import IMAGE_FIELDS
from beam_deeplab.transforms.runs.tables.table import Collection, DerivedTable, ShardRows


def class_areas_schema(_: Collection) -> pa.Schema:
    """Image, class, genre, pixels, their fraction of the picture, how sure the network was."""
    return pa.schema(
        [
            *IMAGE_FIELDS,
            pa.field("class_id", pa.int32(), nullable=False),
            pa.field("class_name", pa.string(), nullable=False),
            pa.field("genre", pa.string(), nullable=False),
            pa.field("pixels", pa.int64(), nullable=False),
            pa.field("fraction", pa.float64(), nullable=False),
            pa.field("mean_confidence", pa.float64(), nullable=False),
        ]
    )


def class_areas_rows(shard: ShardRows, collection: Collection) -> pa.Table:
    """The nested areas of the masks, a row each; an average over them knows no zeros."""
    areas = shard.results.column("areas").combine_chunks()
    parents = pc.list_parent_indices(areas)
    images = shard.results.select(["image_uri", "image_version"]).take(parents)
    flat = pc.list_flatten(areas)
    ids = pc.struct_field(flat, "class_id")
    columns = {
        "image_uri": images.column("image_uri"),
        "image_version": images.column("image_version"),
        "class_id": ids,
        "class_name": pa.array(collection.labels.names, pa.string()).take(ids),
        "genre": pa.array(collection.labels.genres, pa.string()).take(ids),
        **{name: pc.struct_field(flat, name) for name in ("pixels", "fraction", "mean_confidence")},
    }
    return pa.table(columns, class_areas_schema(collection))


CLASS_AREAS = DerivedTable("class_areas", class_areas_schema, class_areas_rows)
