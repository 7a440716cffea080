"""Lists of images: ``.txt``, ``.csv`` and ``.parquet`` -> URIs."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterator, Sequence

from transforms import storage

SUFFIXES = (".txt", ".csv", ".parquet")

COLUMN = "image_uri"


class ImageListError(ValueError):
    """A list of images cannot be understood; the message says what to change."""


def is_image_list(uri: str) -> bool:
    """Whether a URI or pattern names lists of images, by its suffix."""
    return uri.lower().endswith(SUFFIXES)


def read_uris(uri: str) -> Iterator[str]:
    """The images that a list names, in its order.

    A ``.txt`` holds one URI a line; blank lines and lines that begin with ``#`` are left out. A
    ``.csv`` or ``.parquet`` holds them in the column ``image_uri``; other columns are not looked
    at, a version that was recorded earlier neither. A relative path counts from the list's folder.

    Args:
        uri: The list, local or in storage.

    Yields:
        URIs and absolute paths.

    Raises:
        ImageListError: It is not such a list.
        OSError: It cannot be read.
    """
    folder = uri.rpartition("/")[0]
    suffix = uri[uri.rfind(".") :].lower()
    rows = {".txt": _text_rows, ".csv": _csv_rows, ".parquet": _parquet_rows}[suffix]
    try:
        for row in rows(uri):
            yield row if storage.scheme(row) else _absolute(folder, row)
    except UnicodeDecodeError as error:
        raise ImageListError(f"{uri}: is not UTF-8 text; save it as UTF-8") from error


def _absolute(folder: str, row: str) -> str:
    if row.startswith("/") or row[:7].lower() == "file://":
        return row
    joined = storage.join(folder, row)
    return joined if storage.scheme(joined) else os.path.normpath(joined)


def _text_rows(uri: str) -> Iterator[str]:
    for line in _text(uri, newline=None):
        row = line.strip()
        if row and not row.startswith("#"):
            yield row


def _csv_rows(uri: str) -> Iterator[str]:
    table = csv.DictReader(_text(uri, newline=""))
    try:
        _require_column(uri, table.fieldnames or ())
        for record in table:
            row = (record[COLUMN] or "").strip()
            if not row:
                raise ImageListError(f"{uri}: line {table.line_num} has no {COLUMN}")
            yield row
    except csv.Error as error:
        raise ImageListError(f"{uri}: line {table.line_num}: {error}") from error


def _parquet_rows(uri: str) -> Iterator[str]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with storage.open_seekable(uri) as file:
            parquet = pq.ParquetFile(file)
            _require_column(uri, parquet.schema_arrow.names)
            number = 0
            for batch in parquet.iter_batches(columns=[COLUMN]):
                for row in batch.column(0).to_pylist():
                    number += 1
                    if not isinstance(row, str) or not row:
                        raise ImageListError(f"{uri}: row {number} has no {COLUMN}")
                    yield row
    except pa.ArrowException as error:
        text = str(error).splitlines()[0]
        raise ImageListError(f"{uri}: cannot be read as Parquet: {text}") from error


def _text(uri: str, *, newline: str | None) -> io.TextIOWrapper:
    # Whole: a list of a million lines is some 100 MB, and one request instead of a thousand.
    return io.TextIOWrapper(io.BytesIO(storage.read(uri)), encoding="utf-8-sig", newline=newline)


def _require_column(uri: str, columns: Sequence[str]) -> None:
    if COLUMN not in columns:
        found = ", ".join(map(repr, columns)) or "none"
        raise ImageListError(f"{uri}: needs a column {COLUMN!r}; its columns are {found}")
