"""A part's files and its record, a subset's index, and the end: the work of an export's steps."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any, Final

from beam_deeplab.transforms import storage
from beam_deeplab.transforms.exporting.interface import Entry, ExportFile, Format, NamedMask
from beam_deeplab.transforms.exporting.planning import PartWork, SubsetWork
from beam_deeplab.transforms.exporting.records import (
    EXPORT_FILE,
    PartRecord,
    read_record,
    write_json,
    write_record,
)
from beam_deeplab.transforms.metrics import count
from beam_deeplab.transforms.parquet.names import relative_name
from beam_deeplab.transforms.parquet.parts import Result
from beam_deeplab.transforms.parquet.schemas import RENDERS
from beam_deeplab.transforms.records import Rendering
from beam_deeplab.transforms.runs.commit_facts import CommitError
from beam_deeplab.transforms.runs.segmented import read_masks, read_renders

_WRITERS: Final = 16
_WAITING: Final = 2 * _WRITERS
"""Files that wait to be written at most, and are held meanwhile."""


def export_part(work: PartWork, output: str, form: Format) -> PartRecord:
    """Writes the files of one part and then its record, unless that stands already.

    Raises:
        OSError: The part is damaged or no longer there, or a file cannot be written.
    """
    standing = read_record(output, work.part)
    if standing is not None:
        return standing[0]
    entries: list[Entry] = []
    files = annotations = unreadable = 0
    writing: deque[Future[None]] = deque()
    with ThreadPoolExecutor(_WRITERS) as pool:
        for exported in form.encode(_named(work), work.subset):
            writing.extend(pool.submit(write_file, output, file) for file in exported.files)
            while len(writing) > _WAITING:
                writing.popleft().result()
            entries.extend(exported.entries)
            files += len(exported.files)
            annotations += exported.annotations
            unreadable += exported.unreadable
        for each in writing:
            each.result()
    record = PartRecord(work.part, work.subset, len(work.names), files, annotations, unreadable)
    write_record(output, record, entries)
    count("images", record.images)
    return record


def _named(work: PartWork) -> Iterator[NamedMask]:
    rows: Iterator[Result] = (
        read_renders(work.uri) if work.dataset == RENDERS else read_masks(work.uri)
    )
    for number, (name, row) in enumerate(zip(work.names, rows, strict=True), work.first_id):
        uri = row.ref.uri
        image, suffix = (
            (row.image, row.suffix) if isinstance(row, Rendering) else (row.mask_png, "png")
        )
        file_name = relative_name(uri, work.root)
        version = row.ref.version
        yield NamedMask(number, name, file_name, uri, image, row.original, suffix, version)


def write_file(output: str, file: ExportFile) -> None:
    """Writes one file of an export; OSError if it cannot."""
    storage.write_atomically(storage.join(output, file.path), file.content)


def write_index(work: SubsetWork, output: str, form: Format) -> dict[str, int]:
    """Writes the files that say what is in a subset.

    Returns:
        How many ``images``, ``files`` and ``annotations`` it has, and ``unreadable`` images.

    Raises:
        OSError: A record cannot be read, or a file not be written.
    """

    def entries() -> Iterator[Mapping[str, Any]]:
        for part in work.parts:
            found = read_record(output, part.part)
            if found is None:
                raise CommitError(f"the record of part {part.part} has gone; --resume writes it")
            yield from found[1]

    files = 0
    for file in form.index(entries(), work.subset):
        write_file(output, file)
        files += 1
    return {
        "images": sum(part.images for part in work.parts),
        "files": files + sum(part.files for part in work.parts),
        "annotations": sum(part.annotations for part in work.parts),
        "unreadable": sum(part.unreadable for part in work.parts),
    }


def commit_export(
    output: str, begun: Mapping[str, Any], subsets: Iterable[Mapping[str, int]]
) -> dict[str, Any]:
    """Reconciles what was exported with what the run holds, and writes ``export.json``.

    Returns:
        What it holds.

    Raises:
        CommitError: There are not as many images as the run has results.
    """
    subsets = list(subsets)
    totals = {
        name: sum(subset[name] for subset in subsets)
        for name in ("images", "files", "annotations", "unreadable")
    }
    images = begun["run"]["images"]
    if totals["images"] != images:
        raise CommitError(f"{totals['images']} images were exported, not the {images} of the run")
    committed = datetime.now(UTC).isoformat(timespec="milliseconds")
    export = {**begun, **totals, "subsets": len(subsets), "committed": committed}
    write_json(output, EXPORT_FILE, export)
    return export
