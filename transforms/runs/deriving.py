"""Derived tables on disk: a power of two of large files, each replaced by one atomic put.

An image's rows are in the file that a hash of its URI gives. Where the number of files doubles,
file i shrinks before file i + n appears, and where it halves, the latter goes first; so a glob
never shows an image twice, and never a table without files once there was one.
"""

from __future__ import annotations

import io
import itertools
import re
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from beam_deeplab.transforms import storage
from beam_deeplab.transforms.parquet.schemas import RUN_KEY
from beam_deeplab.transforms.runs.tables.table import Collection, DerivedTable, ShardRows

FILE_BYTES: Final = 128 * 2**20
"""About how large a file of a table is at most."""

TABLE_FILE = re.compile(r"part-([0-9]{5})\.parquet")

_ROW_GROUP_ROWS: Final = 2**17


def table_file(name: str, index: int) -> str:
    """A file of a table, below the output."""
    return f"{name}/part-{index:05}.parquet"


class TableFiles:
    """One table while it is made: its files' bytes so far.

    Args:
        table: What is made.
        collection: What all shards have in common.
        metadata: What the files say of the run.
        files: How many there are, a power of two.
    """

    def __init__(
        self, table: DerivedTable, collection: Collection, metadata: bytes, files: int
    ) -> None:
        self._table = table
        self._collection = collection
        self._schema = table.schema(collection).with_metadata({RUN_KEY: metadata})
        self._sinks = [io.BytesIO() for _ in range(files)]
        self._writers = [
            pq.ParquetWriter(sink, self._schema, compression="zstd", write_page_checksum=True)
            for sink in self._sinks
        ]
        self._waiting: list[list[pa.Table]] = [[] for _ in range(files)]

    def add(self, shard: ShardRows) -> None:
        """Takes the rows of a shard."""
        rows = self._table.rows(shard, self._collection)
        for index, part in enumerate(deal(rows, len(self._writers))):
            self._waiting[index].append(part)
            if sum(table.num_rows for table in self._waiting[index]) >= _ROW_GROUP_ROWS:
                self._write_row_group(index)

    def _write_row_group(self, index: int) -> None:
        if self._waiting[index]:
            rows = pa.concat_tables(self._waiting[index]).sort_by("image_uri")
            self._writers[index].write_table(
                rows.replace_schema_metadata(self._schema.metadata), row_group_size=_ROW_GROUP_ROWS
            )
            self._waiting[index].clear()

    def finish(self) -> Iterator[bytes]:
        """The content of each file."""
        for index, (sink, writer) in enumerate(zip(self._sinks, self._writers, strict=True)):
            self._write_row_group(index)
            writer.close()
            yield sink.getvalue()


def deal(rows: pa.Table, files: int) -> list[pa.Table]:
    """Deals rows to files by a hash of their image's URI."""
    if files == 1:
        return [rows]
    hashes = [zlib.crc32(uri.encode()) for uri in rows.column("image_uri").to_pylist()]
    file_of = np.array(hashes, np.uint32) & (files - 1)
    return [rows.filter(pa.array(file_of == index)) for index in range(files)]


def file_count(sample: Sequence[ShardRows], images: int, bytes_of_sample: int) -> int:
    """How many files a table of so many images takes, judged by some of them.

    Args:
        sample: Some shards.
        images: Of all shards.
        bytes_of_sample: Of the table's one file for the sample.

    Returns:
        The smallest power of two by which no file is much larger than :data:`FILE_BYTES`.
    """
    sampled = sum(shard.masks.num_rows + shard.failures.num_rows for shard in sample)
    expected = bytes_of_sample * images / max(1, sampled)
    files = 1
    while files * FILE_BYTES < expected:
        files *= 2
    return files


def write_tables(
    output: str,
    tables: Sequence[DerivedTable],
    shards: Iterable[Sequence[ShardRows]],
    collection: Collection,
    *,
    images: int,
    metadata: bytes,
) -> Mapping[str, list[str]]:
    """Makes every table anew.

    Args:
        output: The output folder.
        tables: What to make.
        shards: What the shards wrote, some at a time.
        collection: What they have in common.
        images: How many images they hold together.
        metadata: What each file says of the run.

    Returns:
        The files of each table by its name, below the output.
    """
    remaining = iter(shards)
    sample = next(remaining, [])
    made = {}
    for table in tables:
        trial = TableFiles(table, collection, metadata, 1)
        for shard in sample:
            trial.add(shard)
        (content,) = trial.finish()
        made[table.name] = TableFiles(
            table, collection, metadata, file_count(sample, images, len(content))
        )
    for some in itertools.chain([sample], remaining):
        for shard in some:
            for files in made.values():
                files.add(shard)
    return {name: list(_replace(output, name, files)) for name, files in made.items()}


def _replace(output: str, name: str, files: TableFiles) -> Iterator[str]:
    contents = list(files.finish())
    folder = storage.join(output, name)
    for file in storage.list_folder(folder):
        match = TABLE_FILE.fullmatch(file.name)
        if match and int(match.group(1)) >= len(contents):
            storage.delete(storage.join(folder, file.name))
    for index, content in enumerate(contents):
        path = table_file(name, index)
        storage.write_atomically(storage.join(output, path), content)
        yield path
