"""The tables of committed runs as DuckDB sees them, wherever they lie."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import duckdb

from beam_deeplab.deeplab.labels import LabelSet
from beam_deeplab.transforms import storage
from beam_deeplab.transforms.parquet.names import column_names
from beam_deeplab.transforms.runs.manifest import Manifest
from beam_deeplab.transforms.runs.tables import TABLES
from beam_deeplab.transforms.storage.local import local_path

_MEMORY: Final = "192MB"
"""What a query may hold; what it needs beside that is on the disk."""

_READERS: Final = 4
_CHUNK: Final = 8 * 2**20


@dataclass(frozen=True)
class RunTables:
    """A committed run, and the schema of a DuckDB connection that holds its tables as views.

    Attributes:
        output: The run's folder.
        manifest: What it says of itself.
        database: The connection.
        schema: The views are called ``<schema>.images`` and ``<schema>.class_areas``.
    """

    output: str
    manifest: Manifest
    database: duckdb.DuckDBPyConnection
    schema: str

    @property
    def labels(self) -> LabelSet:
        """The classes of its masks."""
        return LabelSet.from_dict(self.manifest.model["labels"])

    def fraction_columns(self) -> list[str]:
        """The column of ``images`` that holds each class's fraction, by class id."""
        return column_names(self.labels.names, "fraction_")

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """What a query answers, in which ``images`` and ``class_areas`` are this run's."""
        self.database.execute(f"use {self.schema}")
        found: list[tuple[Any, ...]] = self.database.execute(query).fetchall()
        return found


@contextmanager
def open_tables(*runs: tuple[str, Manifest]) -> Iterator[list[RunTables]]:
    """Some runs, by folder, in one connection, whose memory is bounded.

    Files that lie elsewhere are copied to a temporary folder first.

    Raises:
        OSError: A file cannot be read.
        duckdb.Error: It is none of Parquet.
    """
    with TemporaryDirectory(prefix="beam-deeplab-") as folder, duckdb.connect() as database:
        database.execute(f"set memory_limit = '{_MEMORY}'")
        database.execute(f"set temp_directory = '{folder}'")
        database.execute("set preserve_insertion_order = false")
        opened = []
        for number, (output, manifest) in enumerate(runs):
            schema = f"run_{number}"
            database.execute(f"create schema {schema}")
            for table in TABLES[manifest.dataset]:
                place = Path(folder) / schema / table.name
                place.mkdir(parents=True)
                _bring(output, manifest.tables[table.name], place)
                database.execute(
                    f"create view {schema}.{table.name} as "
                    f"select * from read_parquet('{place}/*.parquet')"
                )
            opened.append(RunTables(output, manifest, database, schema))
        yield opened


def _bring(output: str, files: Sequence[str], place: Path) -> None:
    """Puts a table's files into a folder of names that are no patterns: by links, or as copies."""
    uris = [storage.join(output, file) for file in files]

    def bring(numbered: tuple[int, str]) -> None:
        number, uri = numbered
        target = place / f"{number}.parquet"
        if not storage.scheme(uri):
            target.symlink_to(Path(local_path(uri)).absolute())
            return
        with storage.open_seekable(uri) as source, target.open("wb") as copy:
            shutil.copyfileobj(source, copy, _CHUNK)

    with ThreadPoolExecutor(_READERS) as pool:
        list(pool.map(bring, enumerate(uris)))
