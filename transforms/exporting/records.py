"""What stands in an export's output besides its files: that it began, each finished part, its end.

``.export/begun.json`` is written first and says what the export is of; a part is finished when its
record stands beside it, and the export when ``export.json`` stands.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from beam_deeplab.transforms import storage
from beam_deeplab.transforms.exporting.interface import Entry

EXPORT_FILE: Final = "export.json"
FOLDER: Final = ".export"
"""Hidden, so that no tool takes what is in it for a part of the data set."""

BEGUN_FILE: Final = f"{FOLDER}/begun.json"
RECORD_SUFFIX: Final = ".json.gz"
FORMAT_VERSION: Final = 1


@dataclass(frozen=True, slots=True)
class PartRecord:
    """One finished part.

    Attributes:
        part: The shard's id.
        subset: The name of its images' subset.
        images: How many it has.
        files: How many files were written for it.
        annotations: How many of the index's numbers it takes.
        unreadable: How many of its images could not be read again, and are not in the files.
    """

    part: str
    subset: str
    images: int
    files: int
    annotations: int
    unreadable: int = 0


def record_uri(output: str, part: str) -> str:
    """Where a part's record stands."""
    return storage.join(output, FOLDER, f"{part}{RECORD_SUFFIX}")


def write_record(output: str, record: PartRecord, entries: Sequence[Entry]) -> None:
    """Says that a part is finished; OSError if that cannot be written."""
    fields = {**asdict(record), "entries": entries}
    content = json.dumps(fields, separators=(",", ":")).encode()
    storage.write_atomically(
        record_uri(output, record.part), gzip.compress(content, compresslevel=1, mtime=0)
    )


def read_record(output: str, part: str) -> tuple[PartRecord, list[Entry]] | None:
    """A part's record and its entries for the index; None if it is not finished.

    Raises:
        OSError: It cannot be read, or is damaged.
    """
    try:
        fields: dict[str, Any] = json.loads(gzip.decompress(storage.read(record_uri(output, part))))
    except FileNotFoundError:
        return None
    entries = fields.pop("entries")
    return PartRecord(**fields), entries


def write_json(output: str, name: str, fields: Mapping[str, Any]) -> None:
    """Writes ``begun.json`` or ``export.json``; OSError if it cannot."""
    content = json.dumps(fields, indent=2, ensure_ascii=False).encode() + b"\n"
    storage.write_atomically(storage.join(output, name), content)
