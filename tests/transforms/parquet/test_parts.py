"""Parts as readers see them: schema, row groups, statistics, metadata."""

from __future__ import annotations

import io
import json

import pyarrow.parquet as pq

from beam_deeplab.transforms.parquet.parts import ROW_GROUP_BYTES, encode_parts
from beam_deeplab.transforms.parquet.schemas import counts_from_metadata
from beam_deeplab.transforms.records import ImageRef
from tests.rows import failure, segmentation


def _files(png: bytes = b"png", images: int = 3) -> dict[str, pq.ParquetFile]:
    rows = [segmentation(ImageRef(f"{i}.jpg", "7"), png=png) for i in range(images)]
    parts = encode_parts("ab" * 8, [*rows, failure(ImageRef("bad.jpg"))], {"run_id": "r"})
    return {
        dataset: pq.ParquetFile(io.BytesIO(content)) for dataset, _, content in parts if content
    }


def test_parts_come_in_the_order_in_which_they_must_be_written() -> None:
    assert list(_files()) == ["class_areas", "failures", "masks"]


def test_rows() -> None:
    files = _files()
    assert files["masks"].read().to_pylist()[0] == {
        "image_uri": "0.jpg",
        "image_version": "7",
        "shard": "ab" * 8,
        "width": 5,
        "height": 2,
        "mask": {"bytes": b"png", "path": None},
    }
    areas = files["class_areas"].read().to_pylist()
    assert len(areas) == 6
    assert areas[1] == {
        "image_uri": "0.jpg",
        "image_version": "7",
        "shard": "ab" * 8,
        "class_id": 12,
        "class_name": "dog",
        "pixels": 4,
        "fraction": 0.4,
        "mean_confidence": 0.5,
    }
    (failed,) = files["failures"].read().to_pylist()
    assert (failed["stage"], failed["code"], failed["message"]) == ("decode", "CORRUPT", "broken")


def test_metadata_says_which_run_and_how_much() -> None:
    for file in _files().values():
        metadata = file.schema_arrow.metadata
        counts = counts_from_metadata(metadata)
        assert counts is not None
        assert (counts.images, counts.masks, counts.failures, counts.class_areas) == (4, 3, 1, 6)
        assert json.loads(metadata[b"beam_deeplab"]) == {"run_id": "r"}
    masks = _files()["masks"].schema_arrow.metadata
    assert json.loads(masks[b"huggingface"]) == {"info": {"features": {"mask": {"_type": "Image"}}}}


def test_row_groups_end_by_bytes_and_the_png_column_has_no_statistics() -> None:
    masks = _files(png=b"\x00" * (ROW_GROUP_BYTES // 2), images=5)["masks"]
    groups = [masks.metadata.row_group(i) for i in range(masks.metadata.num_row_groups)]
    assert [group.num_rows for group in groups] == [2, 2, 1]
    for group in groups:
        columns = [group.column(i) for i in range(group.num_columns)]
        by_name = {column.path_in_schema: column for column in columns}
        assert not by_name["mask.bytes"].is_stats_set
        assert by_name["image_uri"].is_stats_set
        assert {column.compression for column in columns} == {"ZSTD"}
