"""Lists of images: ``.txt``, ``.csv`` and ``.parquet`` -> URIs, alone or with those of truths."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterator, Sequence

from beam_deeplab.transforms import storage

SUFFIXES = (".txt", ".csv", ".parquet")

COLUMN = "image_uri"
TRUTH_COLUMN = "truth_uri"


Row = tuple[str, ...]


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
    return (image for (image,) in _read_rows(uri, (COLUMN,)))


def is_pair_list(uri: str) -> bool:
    """Whether a URI or pattern names lists that can have two columns, by its suffix."""
    return is_image_list(uri) and not uri.lower().endswith(".txt")


def read_uri_pairs(uri: str) -> Iterator[tuple[str, str]]:
    """The images that a list names and the truth of each, in its order.

    As :func:`read_uris`, but for a ``.csv`` or ``.parquet`` with a second column ``truth_uri``.

    Args:
        uri: The list, local or in storage.

    Yields:
        URIs and absolute paths, of the image and of its truth.

    Raises:
        ImageListError: It is not such a list.
        OSError: It cannot be read.
    """
    return ((image, truth) for image, truth in _read_rows(uri, (COLUMN, TRUTH_COLUMN)))


def _read_rows(uri: str, columns: Row) -> Iterator[Row]:
    folder = uri.rpartition("/")[0]
    suffix = uri[uri.rfind(".") :].lower()
    read = {".txt": _text_rows, ".csv": _csv_rows, ".parquet": _parquet_rows}[suffix]
    try:
        for row in read(uri, columns):
            yield tuple(each if storage.scheme(each) else _absolute(folder, each) for each in row)
    except UnicodeDecodeError as error:
        raise ImageListError(f"{uri}: is not UTF-8 text; save it as UTF-8") from error


def _absolute(folder: str, row: str) -> str:
    if row.startswith("/") or row[:7].lower() == "file://":
        return row
    joined = storage.join(folder, row)
    return joined if storage.scheme(joined) else os.path.normpath(joined)


def _text_rows(uri: str, columns: Row) -> Iterator[Row]:
    if len(columns) > 1:
        raise ImageListError(f"{uri}: a .txt has no columns; give a .csv with {list(columns)}")
    for line in _text(uri, newline=None):
        row = line.strip()
        if row and not row.startswith("#"):
            yield (row,)


def _csv_rows(uri: str, columns: Row) -> Iterator[Row]:
    table = csv.DictReader(_text(uri, newline=""))
    try:
        _require_columns(uri, table.fieldnames or (), columns)
        for record in table:
            row = tuple((record[column] or "").strip() for column in columns)
            if not all(row):
                column = columns[row.index("")]
                raise ImageListError(f"{uri}: line {table.line_num} has no {column}")
            yield row
    except csv.Error as error:
        raise ImageListError(f"{uri}: line {table.line_num}: {error}") from error


def _parquet_rows(uri: str, columns: Row) -> Iterator[Row]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with storage.open_seekable(uri) as file:
            parquet = pq.ParquetFile(file)
            _require_columns(uri, parquet.schema_arrow.names, columns)
            number = 0
            for batch in parquet.iter_batches(columns=list(columns)):
                for row in zip(*(batch.column(name).to_pylist() for name in columns), strict=True):
                    number += 1
                    for column, value in zip(columns, row, strict=True):
                        if not isinstance(value, str) or not value:
                            raise ImageListError(f"{uri}: row {number} has no {column}")
                    yield row
    except pa.ArrowException as error:
        text = str(error).splitlines()[0]
        raise ImageListError(f"{uri}: cannot be read as Parquet: {text}") from error


def _text(uri: str, *, newline: str | None) -> io.TextIOWrapper:
    # Whole: a list of a million lines is some 100 MB, and one request instead of a thousand.
    return io.TextIOWrapper(io.BytesIO(storage.read(uri)), encoding="utf-8-sig", newline=newline)


def _require_columns(uri: str, found: Sequence[str], columns: Row) -> None:
    for column in columns:
        if column not in found:
            names = ", ".join(map(repr, found)) or "none"
            raise ImageListError(f"{uri}: needs a column {column!r}; its columns are {names}")
