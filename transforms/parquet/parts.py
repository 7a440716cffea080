"""The rows of one shard as the bytes of its Parquet parts, and back."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from beam_deeplab.transforms.parquet.names import relative_name
from beam_deeplab.transforms.parquet.schemas import (
    AREA,
    FAILURES,
    FILE_COLUMNS,
    MASKS,
    RENDERS,
    ShardCounts,
    dataset_schema,
    run_of,
)
from beam_deeplab.transforms.records import (
    ClassArea,
    Failure,
    ImageRef,
    Original,
    Rendering,
    Segmentation,
    ShardSlot,
)

ROW_GROUP_BYTES = 24 * 2**20
"""Bytes of pictures after which a row group ends: large enough to scan, small enough to skip."""

_ORIGINAL: Final = ("height", "width", "orientation", "scale", "truncated")

Result = Segmentation | Rendering
Row = Result | Failure


class DamagedPartError(ValueError):
    """A file that is not a whole Parquet part of ours, however often it is read."""


def _image_columns(rows: Sequence[Row], shard: str) -> dict[str, Any]:
    return {
        "image_uri": [row.ref.uri for row in rows],
        "image_version": [row.ref.version for row in rows],
        "shard": [shard] * len(rows),
    }


def _result_columns(rows: Sequence[Result], shard: str) -> dict[str, Any]:
    return _image_columns(rows, shard) | {
        name: [getattr(row.original, name) for row in rows] for name in _ORIGINAL
    }


def _masks(shard: str, rows: Sequence[Any], root: str) -> dict[str, Any]:
    return _result_columns(rows, shard) | {
        "mask": [
            {"bytes": row.mask_png, "path": f"{relative_name(row.ref.uri, root)}.png"}
            for row in rows
        ],
        "areas": [
            [{name: getattr(area, name) for name in AREA.names} for area in row.areas]
            for row in rows
        ],
    }


def _renders(shard: str, rows: Sequence[Any], root: str) -> dict[str, Any]:
    return _result_columns(rows, shard) | {
        "effect": [row.effect for row in rows],
        "subject_fraction": [row.subject_fraction for row in rows],
        "image": [
            {"bytes": row.image, "path": f"{relative_name(row.ref.uri, root)}.{row.suffix}"}
            for row in rows
        ],
    }


def _failures(shard: str, rows: Sequence[Failure]) -> dict[str, Any]:
    return _image_columns(rows, shard) | {
        "stage": [str(row.stage) for row in rows],
        "code": [str(row.code) for row in rows],
        "message": [row.message for row in rows],
    }


def _row_groups(sizes: Sequence[int]) -> Iterator[tuple[int, int]]:
    """(start, length) of runs of rows, each ended once it holds ``ROW_GROUP_BYTES``."""
    start = held = 0
    for index, size in enumerate(sizes):
        held += size
        if held >= ROW_GROUP_BYTES:
            yield start, index + 1 - start
            start, held = index + 1, 0
    if start < len(sizes):
        yield start, len(sizes) - start


def parquet_bytes(table: pa.Table) -> bytes:
    """A part's file: zstd, checksums of its pages, row groups of about 24 MiB of pictures.

    The column of pictures has no statistics and no dictionary.
    """
    files = [name for name in table.column_names if name in FILE_COLUMNS.values()]
    columns_with_statistics = [name for name in table.column_names if name not in files]
    sizes = [0] * table.num_rows
    for name in files:
        sizes = pc.binary_length(pc.struct_field(table.column(name), "bytes")).to_pylist()
    sink = io.BytesIO()
    with pq.ParquetWriter(
        sink,
        table.schema,
        compression="zstd",
        write_statistics=columns_with_statistics,
        use_compliant_nested_type=True,
        use_dictionary=columns_with_statistics,
        write_page_checksum=True,
    ) as writer:
        for start, length in _row_groups(sizes):
            writer.write_table(table.slice(start, length), row_group_size=length)
    return sink.getvalue()


def encode_parts(
    shard: str, rows: Sequence[Row], run: Mapping[str, Any], images_root: str = ""
) -> Iterator[tuple[str, int, bytes]]:
    """The parts of one shard, in the order in which they must be written.

    Args:
        shard: The shard's id.
        rows: One row an image, in the shard's order.
        run: What made the rows, for each file's metadata.
        images_root: The folder below which images are named.

    Yields:
        (dataset, rows, the file's content) for each dataset; with no rows the content is empty
        and stands for no file.
    """
    results = [row for row in rows if not isinstance(row, Failure)]
    failures = [row for row in rows if isinstance(row, Failure)]
    result = dataset_of(run)
    counts = ShardCounts(**{result: len(results), FAILURES: len(failures)})
    for dataset, columns in (
        (FAILURES, _failures(shard, failures)),
        (result, _FORMS[result].columns(shard, results, images_root)),
    ):
        length = counts.rows(dataset)
        schema = dataset_schema(dataset, run, counts)
        yield dataset, length, parquet_bytes(pa.table(columns, schema)) if length else b""


def dataset_of(run: Mapping[str, Any]) -> str:
    """What a run makes of images, by what its files say of it: ``masks`` or ``renders``."""
    return str(run.get("dataset", MASKS))


def open_part(file: BinaryIO) -> pq.ParquetFile:
    """A part opened for its footer and some of its columns, their pages' checksums verified.

    Raises:
        DamagedPartError: It is no Parquet file.
        OSError: It cannot be read now.
    """
    return _or_damaged(lambda: pq.ParquetFile(file, page_checksum_verification=True))


def read_columns(part: pq.ParquetFile, columns: Sequence[str] | None = None) -> pa.Table:
    """Some columns of a part, all of them by default.

    Raises:
        DamagedPartError: Their bytes are not what was written.
        OSError: They cannot be read now.
    """
    return _or_damaged(lambda: part.read(columns=columns))


def _or_damaged(read: Any) -> Any:
    try:
        return read()
    except pa.ArrowException as error:
        raise DamagedPartError(_one_line(error)) from error
    except OSError as error:
        # What storage raises has a number; what Arrow raises over a file's content has none.
        if error.errno is not None:
            raise
        raise DamagedPartError(_one_line(error)) from error


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__


def decode_results(content: bytes, slot: ShardSlot | None = None) -> list[Result]:
    """The rows of a part, as the writer got them; DamagedPartError if it is no part of results."""
    part = open_part(io.BytesIO(content))
    table = read_columns(part)
    run = run_of(part.schema_arrow.metadata)
    try:
        return [_FORMS[dataset_of(run)].row(row, run, slot) for row in table.to_pylist()]
    except (KeyError, IndexError, TypeError) as error:
        raise DamagedPartError(f"it is no part of results: {error!r}") from error


def _segmentation(
    row: Mapping[str, Any], run: Mapping[str, Any], slot: ShardSlot | None
) -> Segmentation:
    classes = run.get("model", {}).get("labels", {}).get("classes", [])
    areas = [
        ClassArea(class_name=classes[area["class_id"]]["name"], **area) for area in row["areas"]
    ]
    return Segmentation(_ref(row), row["mask"]["bytes"], tuple(areas), _original(row), slot)


def _rendering(row: Mapping[str, Any], _: Mapping[str, Any], slot: ShardSlot | None) -> Rendering:
    suffix = row["image"]["path"].rpartition(".")[2]
    return Rendering(
        _ref(row),
        row["image"]["bytes"],
        suffix,
        row["effect"],
        row["subject_fraction"],
        _original(row),
        slot,
    )


def _ref(row: Mapping[str, Any]) -> ImageRef:
    return ImageRef(row["image_uri"], row["image_version"])


def _original(row: Mapping[str, Any]) -> Original:
    return Original(**{name: row[name] for name in _ORIGINAL})


@dataclass(frozen=True, slots=True)
class _Form:
    """How what a run makes of images lies in Parquet: rows as columns, and back."""

    columns: Callable[[str, Sequence[Any], str], dict[str, Any]]
    row: Callable[[Mapping[str, Any], Mapping[str, Any], ShardSlot | None], Result]


_FORMS: Final = {
    MASKS: _Form(_masks, _segmentation),
    RENDERS: _Form(_renders, _rendering),
}
