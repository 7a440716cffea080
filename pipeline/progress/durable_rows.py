"""How many images are durable in an output, counted again and again at little cost.

Parts are counted by one listing. How many rows a part has its footer says, which is read once, and
of so many parts at most with each look; the others are taken to be like those that were read. So
small outputs are counted exactly, and large ones within a few shards.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from beam_deeplab.transforms import storage
from beam_deeplab.transforms.runs.inventory import PART_NAME

_READERS: Final = 16
FOOTERS: Final = 64
"""Footers that are read with one look."""


class DurableRows:
    """Counts the rows in an output's masks and failures; it need not exist yet."""

    def __init__(self, output: str) -> None:
        self._output = output
        self._known: dict[str, dict[str, tuple[int, int]]] = {}

    def count(self, dataset: str) -> int:
        """Rows of ``masks`` or ``failures`` now.

        Raises:
            OSError: The folder cannot be listed.
        """
        folder = storage.join(self._output, dataset)
        known = self._known.get(dataset, {})
        files = [file for file in storage.list_folder(folder) if PART_NAME.fullmatch(file.name)]
        now = {
            file.name: known[file.name]
            for file in files
            if file.name in known and known[file.name][0] == file.size
        }
        new = [file for file in files if file.name not in now]
        if new:
            some = new[:FOOTERS]
            with ThreadPoolExecutor(min(_READERS, len(some))) as pool:
                uris = [storage.join(folder, file.name) for file in some]
                for file, rows in zip(some, pool.map(_rows, uris), strict=True):
                    if rows is not None:
                        now[file.name] = file.size, rows
        self._known[dataset] = now
        rows_read = sum(rows for _, rows in now.values())
        not_read = len(new[FOOTERS:])
        return rows_read + (round(not_read * rows_read / len(now)) if now else 0)


def _rows(uri: str) -> int | None:
    """Rows of a part; None if it has gone meanwhile, or is no part after all."""
    try:
        with storage.open_seekable(uri) as file:
            return int(pq.read_metadata(file).num_rows)
    except (pa.ArrowException, OSError):
        return None
