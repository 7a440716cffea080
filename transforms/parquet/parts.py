"""The rows of one shard as the bytes of its Parquet parts, and back to what a part claims."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from beam_deeplab.transforms.parquet.schemas import (
    CLASS_AREAS,
    DATASETS,
    FAILURES,
    MASKS,
    ShardCounts,
    dataset_schema,
)
from beam_deeplab.transforms.records import Failure, Segmentation

ROW_GROUP_BYTES = 24 * 2**20
"""PNG bytes after which a row group ends: large enough to scan, small enough to skip."""

Row = Segmentation | Failure


def _image_columns(rows: Sequence[Row], shard: str) -> dict[str, Any]:
    return {
        "image_uri": [row.ref.uri for row in rows],
        "image_version": [row.ref.version for row in rows],
        "shard": [shard] * len(rows),
    }


def _masks(shard: str, rows: Sequence[Segmentation]) -> dict[str, Any]:
    return _image_columns(rows, shard) | {
        "width": [row.original.width for row in rows],
        "height": [row.original.height for row in rows],
        "mask": [{"bytes": row.mask_png, "path": None} for row in rows],
    }


def _failures(shard: str, rows: Sequence[Failure]) -> dict[str, Any]:
    return _image_columns(rows, shard) | {
        "stage": [str(row.stage) for row in rows],
        "code": [str(row.code) for row in rows],
        "message": [row.message for row in rows],
    }


def _class_areas(shard: str, rows: Sequence[Segmentation]) -> dict[str, Any]:
    long_rows = [row for row in rows for _ in row.areas]
    areas = [area for row in rows for area in row.areas]
    return _image_columns(long_rows, shard) | {
        "class_id": [area.class_id for area in areas],
        "class_name": [area.class_name for area in areas],
        "pixels": [area.pixels for area in areas],
        "fraction": [area.fraction for area in areas],
        "mean_confidence": [area.mean_confidence for area in areas],
    }


def _row_groups(sizes: Sequence[int]) -> Iterator[tuple[int, int]]:
    """(start, length) of runs of rows, each ended once it holds ``ROW_GROUP_BYTES``."""
    start = held = 0
    for index, size in enumerate(sizes):
        held += size
        if held >= ROW_GROUP_BYTES:
            yield start, index + 1 - start
            start, held = index + 1, 0
    if start < len(sizes):
        yield start, len(sizes) - start


def parquet_bytes(table: pa.Table) -> bytes:
    """A part's file: zstd, no statistics of PNG bytes, row groups of about 24 MiB of them."""
    columns_with_statistics = [name for name in table.column_names if name != "mask"]
    sizes = [0] * table.num_rows
    if "mask" in table.column_names:
        sizes = pc.binary_length(pc.struct_field(table.column("mask"), "bytes")).to_pylist()
    sink = io.BytesIO()
    with pq.ParquetWriter(
        sink,
        table.schema,
        compression="zstd",
        write_statistics=columns_with_statistics,
        use_compliant_nested_type=True,
        use_dictionary=columns_with_statistics,
    ) as writer:
        for start, length in _row_groups(sizes):
            writer.write_table(table.slice(start, length), row_group_size=length)
    return sink.getvalue()


def encode_parts(
    shard: str, rows: Sequence[Row], run: Mapping[str, Any]
) -> Iterator[tuple[str, int, bytes]]:
    """The parts of one shard, in the order in which they must be written.

    Args:
        shard: The shard's id.
        rows: One row an image, in the shard's order.
        run: What made the rows, for each file's metadata.

    Yields:
        (dataset, rows, the file's content) for each dataset; with no rows the content is empty
        and stands for no file, since an empty part would break readers of the whole folder.
    """
    segmentations = [row for row in rows if isinstance(row, Segmentation)]
    failures = [row for row in rows if isinstance(row, Failure)]
    counts = ShardCounts(
        images=len(rows),
        masks=len(segmentations),
        failures=len(failures),
        class_areas=sum(len(row.areas) for row in segmentations),
    )
    columns = {
        CLASS_AREAS: _class_areas(shard, segmentations),
        FAILURES: _failures(shard, failures),
        MASKS: _masks(shard, segmentations),
    }
    for dataset in DATASETS:
        rows_here = counts.rows(dataset)
        if rows_here == 0:
            yield dataset, 0, b""
            continue
        table = pa.table(columns[dataset], schema=dataset_schema(dataset, run, counts))
        yield dataset, rows_here, parquet_bytes(table)
