"""Lists of images: ``.txt``, ``.csv`` and ``.parquet`` -> URIs, alone or with those of truths."""

from __future__ import annotations

import codecs
import csv
import io
import os
import posixpath
import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from beam_deeplab.transforms import storage
from beam_deeplab.transforms.storage import local as local_storage

if TYPE_CHECKING:
    import pyarrow as pa

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
    """The images that a list names, in its order: URIs and absolute paths, each in one spelling.

    A ``.txt`` holds one URI a line, just as it is written: ``#`` and spaces are parts of names;
    only blank lines are passed over. A ``.csv`` or ``.parquet`` holds them in the column
    ``image_uri``; other columns are not looked at, a version that was recorded earlier neither. A
    relative path counts from the list's folder.

    A line that can name no image is a URI all the same, and fails when it is read: a blank cell
    becomes ``<list>#row=<n>`` with the number of its row, bytes that are no UTF-8 are escaped.

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

    Raises:
        ImageListError: It is not such a list.
        OSError: It cannot be read.
    """
    return ((image, truth) for image, truth in _read_rows(uri, (COLUMN, TRUTH_COLUMN)))


def _read_rows(uri: str, columns: Row) -> Iterator[Row]:
    folder = uri.rpartition("/")[0]
    suffix = uri[uri.rfind(".") :].lower()
    read = {".txt": _text_rows, ".csv": _csv_rows, ".parquet": _parquet_rows}[suffix]
    for number, row in read(uri, columns):
        blank = f"{uri}#row={number}"
        yield tuple(_spelt(folder, each) if each.strip() else blank for each in row)


def _spelt(folder: str, line: str) -> str:
    """The one spelling, in valid Unicode, of what a line names."""
    if kind := storage.scheme(line):
        readable = line.encode(errors="surrogateescape").decode(errors="backslashreplace")
        return kind + readable[len(kind) :]
    path = local_storage.local_path(line)
    if path == line and not path.startswith("/"):
        if storage.scheme(folder):
            return _spelt("", _joined(folder, path))
        path = storage.join(local_storage.local_path(folder), path)
    return local_storage.local_uri(os.path.normpath(f"/{path.lstrip('/')}"))


def _joined(folder: str, relative: str) -> str:
    steps = relative.split("/")
    if "." not in steps and ".." not in steps:
        return storage.join(folder, relative)
    scheme, _, bucket, *folders = folder.split("/")
    path = posixpath.normpath("/".join(["", *folders, *steps]))
    return f"{scheme}//{bucket}{path}"


def _text_rows(uri: str, columns: Row) -> Iterator[tuple[int, Row]]:
    if len(columns) > 1:
        raise ImageListError(f"{uri}: a .txt has no columns; give a .csv with {list(columns)}")
    for number, line in enumerate(_text(uri, newline=None), 1):
        row = line.removesuffix("\n")
        if row.strip():
            yield number, (row,)


def _csv_rows(uri: str, columns: Row) -> Iterator[tuple[int, Row]]:
    # A cell of any length is data; what no file can be called fails when it is read.
    csv.field_size_limit(sys.maxsize)
    table = csv.DictReader(_text(uri, newline=""), strict=True)
    number, line = 0, 1
    try:
        _require_columns(uri, table.fieldnames or (), columns)
    except csv.Error as error:
        raise ImageListError(f"{uri}: line 1: {error}") from error
    while True:
        number, line = number + 1, table.line_num + 1
        try:
            record = next(table)
        except StopIteration:
            return
        except csv.Error as error:
            if "unexpected end" in str(error):
                message = f"{uri}: line {line}: a quote opens that nothing closes"
                raise ImageListError(message) from error
            yield number, ("",) * len(columns)
        else:
            yield number, tuple(record[column] or "" for column in columns)


def _parquet_rows(uri: str, columns: Row) -> Iterator[tuple[int, Row]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with storage.open_seekable(uri) as file:
            parquet = pq.ParquetFile(file)
            _require_columns(uri, parquet.schema_arrow.names, columns)
            number = 0
            for batch in parquet.iter_batches(columns=list(columns)):
                cells = (_texts(uri, name, batch.column(name)) for name in columns)
                for row in zip(*cells, strict=True):
                    number += 1
                    yield number, row
    except pa.ArrowException as error:
        text = str(error).splitlines()[0]
        raise ImageListError(f"{uri}: cannot be read as Parquet: {text}") from error


def _texts(uri: str, name: str, column: pa.Array) -> list[str]:
    import pyarrow as pa

    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if not (pa.types.is_null(column.type) or _is_text(column.type)):
        raise ImageListError(f"{uri}: the column {name!r} holds {column.type}, not text")
    # As bytes: one value that is no UTF-8 is one image's fault.
    return [os.fsdecode(cell or b"") for cell in column.cast(pa.large_binary()).to_pylist()]


def _is_text(kind: pa.DataType) -> bool:
    import pyarrow as pa

    tests = ("is_string", "is_large_string", "is_string_view", "is_binary", "is_large_binary")
    return any(getattr(pa.types, test)(kind) for test in tests)


def _text(uri: str, *, newline: str | None) -> io.TextIOWrapper:
    # Whole: a list of a million lines is some 100 MB, and one request instead of a thousand.
    data = storage.read(uri)
    if data[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        raise ImageListError(f"{uri}: is UTF-16 text; save it as UTF-8")
    return io.TextIOWrapper(
        io.BytesIO(data), encoding="utf-8-sig", errors="surrogateescape", newline=newline
    )


def _require_columns(uri: str, found: Sequence[str], columns: Row) -> None:
    for column in columns:
        if column not in found:
            names = ", ".join(map(repr, found)) or "none"
            raise ImageListError(f"{uri}: needs a column {column!r}; its columns are {names}")
