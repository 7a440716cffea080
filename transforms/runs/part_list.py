"""``parts.parquet``: every part of a committed output, in a file that a manifest can point to."""

from __future__ import annotations

import io
from collections.abc import Iterable
from dataclasses import asdict

import pyarrow as pa

from beam_deeplab.transforms import storage
from beam_deeplab.transforms.parquet.parts import open_part, read_columns
from beam_deeplab.transforms.records import Part
from beam_deeplab.transforms.runs.manifest import PartList

PART_SCHEMA = pa.schema(
    [
        pa.field("dataset", pa.string(), nullable=False),
        pa.field("path", pa.string(), nullable=False),
        pa.field("shard", pa.string(), nullable=False),
        pa.field("rows", pa.int64(), nullable=False),
        pa.field("size", pa.int64(), nullable=False),
    ]
)


def part_rows(parts: Iterable[Part]) -> pa.Table:
    """Rows of the list."""
    rows = [{**asdict(part), "path": part.path} for part in parts]
    return pa.Table.from_pylist(rows, PART_SCHEMA)


def read_part_list(output: str, parts: PartList) -> list[Part]:
    """The parts that a manifest points to.

    Raises:
        OSError: The list cannot be read.
        transforms.parquet.parts.DamagedPartError: It is not what was written.
    """
    content = storage.read(storage.join(output, parts.file))
    table = read_columns(open_part(io.BytesIO(content)))
    return [
        Part(row["dataset"], row["shard"], row["rows"], row["size"]) for row in table.to_pylist()
    ]
