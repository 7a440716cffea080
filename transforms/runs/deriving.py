"""Derived tables on disk: a power of two of large files, each replaced by one atomic put.

An image's rows are in the file that a hash of its URI gives. Where the number of files doubles,
file i shrinks before file i + n appears, and where it halves, the latter goes first; so a glob
never shows an image twice, and never a table without files once there was one.

Rows cross the shuffle as compressed Arrow streams, some shards' together, under the file they
belong to; who writes it holds one file and one row group.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from beam_deeplab.transforms import storage
from beam_deeplab.transforms.runs.sharding import uri_hash

FILE_BYTES: Final = 64 * 2**20
"""How many bytes of rows, as they cross the shuffle, a file of a table takes at most.

They are one element there, of which Beam's Python workers hold several before they are looked at:
twice as many made workers of 1.6 GB. Areas of real pictures take about as much in the file.
"""

TABLE_FILE = re.compile(r"part-([0-9]{5})\.parquet")

_ROW_GROUP_ROWS: Final = 2**17


def table_file(name: str, index: int) -> str:
    """A file of a table, below the output."""
    return f"{name}/part-{index:05}.parquet"


@dataclass(frozen=True, slots=True)
class TableFiles:
    """Into which files a table goes.

    Attributes:
        count: How many, a power of two.
        standing: How many of the first ones stand already, a power of two; all others take their
            rows from those, and may only appear when they have shrunk.
    """

    count: int
    standing: int

    @classmethod
    def of(cls, expected_bytes: int, standing: Iterable[int]) -> TableFiles:
        """Files for a table, of which files of some numbers stand already."""
        count = 1
        while count * FILE_BYTES < expected_bytes:
            count *= 2
        stand = frozenset(standing)
        unbroken = 1
        while unbroken < count and stand.issuperset(range(unbroken * 2)):
            unbroken *= 2
        return cls(count, unbroken if 0 in stand else count)


def encode_rows(rows: pa.Table) -> bytes:
    """Rows as they cross a shuffle."""
    sink = io.BytesIO()
    options = pa.ipc.IpcWriteOptions(compression="zstd")
    with pa.ipc.new_stream(sink, rows.schema, options=options) as writer:
        writer.write_table(rows)
    return sink.getvalue()


def decode_rows(content: bytes) -> pa.Table:
    """Rows that have crossed a shuffle."""
    return pa.ipc.open_stream(content).read_all()


def deal(rows: pa.Table, files: int) -> list[pa.Table]:
    """Deals rows to files by a hash of their image's URI."""
    if files == 1:
        return [rows]
    hashes = [uri_hash(uri) for uri in rows.column("image_uri").to_pylist()]
    file_of = np.array(hashes, np.uint32) & (files - 1)
    return [rows.filter(pa.array(file_of == index)) for index in range(files)]


def standing_files(output: str, name: str) -> list[int]:
    """The numbers of a table's files that stand; OSError if they cannot be listed."""
    names = (file.name for file in storage.list_folder(storage.join(output, name)))
    return [int(match.group(1)) for each in names if (match := TABLE_FILE.fullmatch(each))]


def remove_surplus(output: str, name: str, files: TableFiles) -> None:
    """Removes what a larger table had more, before others take its rows; OSError if it cannot."""
    for index in standing_files(output, name):
        if index >= files.count:
            storage.delete(storage.join(output, table_file(name, index)))


def write_rows(uri: str, schema: pa.Schema, sort_by: str, contents: Iterable[bytes]) -> None:
    """Writes a file of a table, atomically, from rows in any order; each row group is sorted.

    Raises:
        OSError: It cannot be written; what stood there before still stands.
    """
    sink = io.BytesIO()
    with pq.ParquetWriter(sink, schema, compression="zstd", write_page_checksum=True) as writer:
        for rows in _row_groups(contents):
            ordered = rows.sort_by(sort_by).replace_schema_metadata(schema.metadata)
            writer.write_table(ordered, row_group_size=_ROW_GROUP_ROWS)
    storage.write_atomically(uri, sink.getvalue())


def _row_groups(contents: Iterable[bytes]) -> Iterator[pa.Table]:
    waiting: list[pa.Table] = []
    for content in contents:
        waiting.append(decode_rows(content))
        if sum(rows.num_rows for rows in waiting) >= _ROW_GROUP_ROWS:
            yield pa.concat_tables(waiting)
            waiting.clear()
    if waiting:
        yield pa.concat_tables(waiting)
