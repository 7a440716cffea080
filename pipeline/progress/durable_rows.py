"""How many images are durable in an output, counted again and again at little cost."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from beam_deeplab.transforms import storage
from beam_deeplab.transforms.runs.inventory import PART_NAME

_READERS: Final = 16
_FOOTERS_AT_ONCE: Final = 64


class DurableRows:
    """Counts the rows in an output's masks and failures; reads each part's footer once.

    Args:
        output: The output folder; it need not exist yet.
    """

    def __init__(self, output: str) -> None:
        self._output = output
        self._known: dict[str, dict[str, tuple[int, int]]] = {}

    def count(self, dataset: str, is_stopped: Callable[[], bool] | None = None) -> int:
        """Rows of a dataset now.

        Args:
            dataset: ``masks`` or ``failures``.
            is_stopped: Asked between footers; once true, those not yet read are left out.

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
            with ThreadPoolExecutor(min(_READERS, len(new))) as pool:
                for start in range(0, len(new), _FOOTERS_AT_ONCE):
                    if is_stopped is not None and is_stopped():
                        break
                    some = new[start : start + _FOOTERS_AT_ONCE]
                    uris = [storage.join(folder, file.name) for file in some]
                    for file, rows in zip(some, pool.map(_rows, uris), strict=True):
                        if rows is not None:
                            now[file.name] = file.size, rows
        self._known[dataset] = now
        return sum(rows for _, rows in now.values())


def _rows(uri: str) -> int | None:
    """Rows of a part; None if it has gone meanwhile, or is no part after all."""
    try:
        with storage.open_seekable(uri) as file:
            return int(pq.read_metadata(file).num_rows)
    except (pa.ArrowException, OSError):
        return None
