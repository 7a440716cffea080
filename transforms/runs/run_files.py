"""How the files of a run are named, in each of its folders, and which are left behind."""

from __future__ import annotations

from typing import Final

from beam_deeplab.transforms import storage
from beam_deeplab.transforms.parquet.schemas import DATASETS, FAILURES
from beam_deeplab.transforms.runs import attempts
from beam_deeplab.transforms.runs.deriving import TABLE_FILE
from beam_deeplab.transforms.runs.inventory import PART_NAME
from beam_deeplab.transforms.runs.tables import TABLES
from beam_deeplab.transforms.storage.local import is_temporary_name

NO_FAILURES: Final = f"{FAILURES}/none.parquet"
"""A file without rows, so that a query over the failures of a clean run finds a table."""

FILES: Final = {
    **dict.fromkeys(DATASETS, PART_NAME),
    **{table.name: TABLE_FILE for tables in TABLES.values() for table in tables},
}
"""How the files in each folder of a run are named."""


def remove_temporary_files(output: str) -> None:
    """Removes what dead writers have left half written; OSError if it cannot.

    Only a local folder shows such files.
    """
    if storage.scheme(output):
        return
    for folder in (output, *(storage.join(output, name) for name in (*FILES, attempts.FOLDER))):
        for file in storage.list_folder(folder, "."):
            if is_temporary_name(file.name):
                storage.delete(storage.join(folder, file.name))
