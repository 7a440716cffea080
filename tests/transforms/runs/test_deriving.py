"""Tables in a power of two of files: every row once, at every moment, however many there are."""

from __future__ import annotations

import functools
import tempfile
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from beam_deeplab.transforms.parquet.schemas import FAILURES, MASKS, dataset_schema
from beam_deeplab.transforms.runs import deriving
from beam_deeplab.transforms.runs.deriving import deal, file_count, write_tables
from beam_deeplab.transforms.runs.tables.images import IMAGES
from beam_deeplab.transforms.runs.tables.table import Collection, ShardRows
from tests.killed_runs import writes_observed

COLLECTION = Collection(("background", "dog"))


def _failed(uris: list[str]) -> ShardRows:
    """A shard whose images all failed."""
    masks = dataset_schema(MASKS)
    nothing = masks.empty_table().select([name for name in masks.names if name != "mask"])
    columns = {name: ["x"] * len(uris) for name in dataset_schema(FAILURES).names}
    return ShardRows(nothing, pa.table(columns | {"image_uri": uris}, dataset_schema(FAILURES)))


def _write(output: str, uris: list[str], file_bytes: int) -> list[str]:
    shards = [[_failed(uris[start : start + 5])] for start in range(0, len(uris), 5)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(deriving, "FILE_BYTES", file_bytes)
        written = write_tables(
            output, [IMAGES], shards, COLLECTION, images=len(uris), metadata=b"{}"
        )
    return list(written["images"])


def _shown(output: str) -> Counter[str]:
    files = Path(output).glob("images/*.parquet")
    return Counter(uri for file in files for uri in _uris(file, _version(file)))


def _version(file: Path) -> tuple[int, int]:
    return file.stat().st_ino, file.stat().st_ctime_ns


@functools.cache  # each write is looked at, and changes one file
def _uris(file: Path, version: tuple[int, int]) -> list[str]:
    uris: list[str] = pq.read_table(file).column("image_uri").to_pylist()
    return uris


@settings(max_examples=30, deadline=None)
@given(counts=st.lists(st.integers(0, 60), min_size=1, max_size=4), bytes_=st.integers(500, 9000))
def test_every_image_is_shown_once_whatever_stood_there_before(
    counts: list[int], bytes_: int
) -> None:
    with tempfile.TemporaryDirectory() as output:
        for count in counts:
            uris = [f"gs://b/{number}" for number in range(count)]

            def nothing_twice(folder: str = output) -> None:
                assert max(_shown(folder).values(), default=1) == 1

            with writes_observed(nothing_twice):
                files = _write(output, uris, bytes_)
            assert _shown(output) == Counter(uris)
            assert len(files) & (len(files) - 1) == 0
            assert sorted(files) == sorted(
                str(path.relative_to(output)) for path in Path(output).rglob("*.parquet")
            )


def test_rows_stay_in_their_file_or_move_to_its_twin_when_files_double() -> None:
    rows = pa.table({"image_uri": [f"gs://b/{number}" for number in range(1000)]})
    four, eight = deal(rows, 4), deal(rows, 8)
    for index, table in enumerate(four):
        both = eight[index].num_rows + eight[index + 4].num_rows
        assert table.num_rows == both > 0


def test_the_number_of_files_follows_the_bytes() -> None:
    sample = [_failed([f"{number}" for number in range(100)])]
    for images, bytes_, files in (
        (100, 1000, 1),
        (10**6, 10_000, 1),
        (3 * 10**6, 10_000, 4),
        (10**8, 10_000, 128),
    ):
        assert file_count(sample, images, bytes_) == files
