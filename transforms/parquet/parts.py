"""The rows of one shard as the bytes of its Parquet parts, and back."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from beam_deeplab.transforms.parquet.names import relative_name
from beam_deeplab.transforms.parquet.schemas import (
    AREA,
    FAILURES,
    MASKS,
    ShardCounts,
    dataset_schema,
    run_of,
)
from beam_deeplab.transforms.records import (
    ClassArea,
    Failure,
    ImageRef,
    Original,
    Segmentation,
    ShardSlot,
)

ROW_GROUP_BYTES = 24 * 2**20
"""PNG bytes after which a row group ends: large enough to scan, small enough to skip."""

Row = Segmentation | Failure


class DamagedPartError(ValueError):
    """A file that is not a whole Parquet part of ours, however often it is read."""


def _image_columns(rows: Sequence[Row], shard: str) -> dict[str, Any]:
    return {
        "image_uri": [row.ref.uri for row in rows],
        "image_version": [row.ref.version for row in rows],
        "shard": [shard] * len(rows),
    }


def _masks(shard: str, rows: Sequence[Segmentation], root: str) -> dict[str, Any]:
    return _image_columns(rows, shard) | {
        "width": [row.original.width for row in rows],
        "height": [row.original.height for row in rows],
        "orientation": [row.original.orientation for row in rows],
        "scale": [row.original.scale for row in rows],
        "truncated": [row.original.truncated for row in rows],
        "mask": [
            {"bytes": row.mask_png, "path": f"{relative_name(row.ref.uri, root)}.png"}
            for row in rows
        ],
        "areas": [
            [{name: getattr(area, name) for name in AREA.names} for area in row.areas]
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
    """A part's file: zstd, checksums of its pages, row groups of about 24 MiB of PNG bytes.

    The PNG column has no statistics and no dictionary.
    """
    columns_with_statistics = [name for name in table.column_names if name != "mask"]
    sizes = [0] * table.num_rows
    if "mask" in table.column_names:
        sizes = pc.binary_length(pc.struct_field(table.column("mask"), "bytes")).to_pylist()
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
    segmentations = [row for row in rows if isinstance(row, Segmentation)]
    failures = [row for row in rows if isinstance(row, Failure)]
    counts = ShardCounts(len(segmentations), len(failures))
    for dataset, columns in (
        (FAILURES, _failures(shard, failures)),
        (MASKS, _masks(shard, segmentations, images_root)),
    ):
        length = counts.rows(dataset)
        schema = dataset_schema(dataset, run, counts)
        yield dataset, length, parquet_bytes(pa.table(columns, schema)) if length else b""


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


def decode_segmentations(content: bytes, slot: ShardSlot | None = None) -> list[Segmentation]:
    """The rows of a masks part, as the writer got them; DamagedPartError if it is none of ours."""
    part = open_part(io.BytesIO(content))
    table = read_columns(part)
    labels = run_of(part.schema_arrow.metadata).get("model", {}).get("labels", {})
    names = [entry["name"] for entry in labels.get("classes", [])]
    try:
        return [_segmentation(row, names, slot) for row in table.to_pylist()]
    except (KeyError, IndexError, TypeError) as error:
        raise DamagedPartError(f"it is no masks part: {error!r}") from error


def _segmentation(
    row: Mapping[str, Any], names: Sequence[str], slot: ShardSlot | None
) -> Segmentation:
    areas = [ClassArea(class_name=names[area["class_id"]], **area) for area in row["areas"]]
    original = Original(
        **{name: row[name] for name in ("height", "width", "orientation", "scale", "truncated")}
    )
    ref = ImageRef(row["image_uri"], row["image_version"])
    return Segmentation(ref, row["mask"]["bytes"], tuple(areas), original, slot)
