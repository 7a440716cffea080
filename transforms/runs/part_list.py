"""``parts.parquet``: every part of a committed output, in a file that a manifest can point to."""

from __future__ import annotations

import io
from collections.abc import Iterable
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from beam_deeplab.transforms import storage
from beam_deeplab.transforms.parquet.parts import open_part, read_columns
from beam_deeplab.transforms.records import Part
from beam_deeplab.transforms.runs.manifest import PARTS_FILE, PartList

_SCHEMA = pa.schema(
    [
        pa.field("dataset", pa.string(), nullable=False),
        pa.field("path", pa.string(), nullable=False),
        pa.field("shard", pa.string(), nullable=False),
        pa.field("rows", pa.int64(), nullable=False),
        pa.field("size", pa.int64(), nullable=False),
    ]
)


def write_part_list(output: str, parts: Iterable[Part]) -> PartList:
    """Writes the list, atomically, and says what the manifest records of it.

    Args:
        output: The output folder.
        parts: Every part, in the list's order.
    """
    rows: list[dict[str, Any]] = [
        {
            "dataset": part.dataset,
            "path": part.path,
            "shard": part.shard,
            "rows": part.rows,
            "size": part.size,
        }
        for part in parts
    ]
    sink = io.BytesIO()
    table = pa.Table.from_pylist(rows, _SCHEMA)
    pq.write_table(table, sink, compression="zstd", write_page_checksum=True)
    storage.write_atomically(storage.join(output, PARTS_FILE), sink.getvalue())
    return PartList(PARTS_FILE, len(rows), sum(row["size"] for row in rows))


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
