"""Parts as readers see them: schema, row groups, statistics, metadata."""

from __future__ import annotations

import io
import json

import pyarrow.parquet as pq
import pytest

from beam_deeplab.transforms.parquet.parts import (
    ROW_GROUP_BYTES,
    DamagedPartError,
    decode_results,
    encode_parts,
)
from beam_deeplab.transforms.parquet.schemas import ShardCounts, counts_of, run_of
from beam_deeplab.transforms.records import ImageRef
from tests.rows import FACTS, RENDER_RUN, failure, rendering, segmentation


def _files(png: bytes = b"png", images: int = 3) -> dict[str, pq.ParquetFile]:
    rows = [segmentation(ImageRef(f"{i}.jpg", "7"), png=png) for i in range(images)]
    parts = encode_parts("ab" * 8, [*rows, failure(ImageRef("bad.jpg"))], FACTS)
    return {
        dataset: pq.ParquetFile(io.BytesIO(content)) for dataset, _, content in parts if content
    }


def test_parts_come_in_the_order_in_which_they_must_be_written() -> None:
    assert list(_files()) == ["failures", "masks"]


def test_rows() -> None:
    files = _files()
    assert files["masks"].read().to_pylist()[0] == {
        "image_uri": "0.jpg",
        "image_version": "7",
        "shard": "ab" * 8,
        "width": 5,
        "height": 2,
        "orientation": 1,
        "scale": 1.0,
        "truncated": False,
        "mask": {"bytes": b"png", "path": "0.jpg.png"},
        "areas": [
            {"class_id": 0, "pixels": 6, "fraction": 0.6, "mean_confidence": 0.9},
            {"class_id": 12, "pixels": 4, "fraction": 0.4, "mean_confidence": 0.5},
        ],
    }
    (failed,) = files["failures"].read().to_pylist()
    assert (failed["stage"], failed["code"], failed["message"]) == ("decode", "CORRUPT", "broken")


def test_metadata_says_which_run_and_how_much() -> None:
    for file in _files().values():
        metadata = file.schema_arrow.metadata
        assert counts_of(metadata) == ShardCounts(masks=3, failures=1)
        assert run_of(metadata) == FACTS
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


def test_rows_come_back_as_they_were() -> None:
    rows = [segmentation(ImageRef(f"{i}.jpg", "7")) for i in range(3)]
    parts = encode_parts("ab" * 8, [*rows, failure(ImageRef("bad.jpg"))], FACTS)
    contents = {dataset: content for dataset, _, content in parts}
    assert decode_results(contents["masks"]) == rows
    for damaged in (b"", contents["failures"], contents["masks"][:-9], b"PAR1" * 100):
        with pytest.raises(DamagedPartError):
            decode_results(damaged)


def test_bytes_that_rotted_are_noticed() -> None:
    rows = [segmentation(ImageRef(f"{i}.jpg", "7"), png=bytes(range(256)) * 9) for i in range(3)]
    contents = {name: content for name, _, content in encode_parts("ab" * 8, rows, FACTS)}
    whole = contents["masks"]
    place = pq.ParquetFile(io.BytesIO(whole)).metadata.row_group(0).column(8).data_page_offset + 60
    with pytest.raises(DamagedPartError):
        decode_results(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])


def test_renders_are_parts_as_masks_are() -> None:
    rows = [rendering(ImageRef(f"gs://b/{i}.png", "7")) for i in range(3)]
    run = RENDER_RUN.part_metadata()
    parts = encode_parts("ab" * 8, [*rows, failure(ImageRef("bad.jpg"))], run, "gs://b")
    contents = {dataset: content for dataset, _, content in parts}
    assert contents.keys() == {"failures", "renders"}
    assert decode_results(contents["renders"]) == rows
    part = pq.ParquetFile(io.BytesIO(contents["renders"]))
    assert counts_of(part.schema_arrow.metadata) == ShardCounts(renders=3, failures=1)
    features = json.loads(part.schema_arrow.metadata[b"huggingface"])["info"]["features"]
    assert features == {"image": {"_type": "Image"}}
    assert part.read().column("image").to_pylist()[0] == {"bytes": b"jpeg", "path": "0.png.jpg"}
