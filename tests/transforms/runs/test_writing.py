"""The writer: whole shards only, the same files however often, loud when rows are split."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beam_deeplab.transforms.records import ImageRef, Segmentation, Shard, ShardSlot
from beam_deeplab.transforms.runs.inventory import take_inventory
from beam_deeplab.transforms.runs.sharding import Sharding
from beam_deeplab.transforms.runs.writing import BrokenShardError, ShardAssembly, write_shard
from tests.plans import plan_shards
from tests.rows import FACTS, segmentation, shard_rows


def _shards(images: int, size: int) -> tuple[Shard, ...]:
    refs = [ImageRef(f"{index:03}.jpg", "1") for index in range(images)]
    return plan_shards(refs, (), "print", Sharding(size)).shards


@given(images=st.integers(1, 30), size=st.integers(1, 7), data=st.data())
def test_shards_come_out_whole_and_in_order_however_rows_interleave(
    images: int, size: int, data: st.DataObject
) -> None:
    shards = _shards(images, size)
    rows = data.draw(st.permutations([row for shard in shards for row in shard_rows(shard)]))
    assembly = ShardAssembly()
    whole = [shard for row in rows if (shard := assembly.add(row)) is not None]
    assembly.close()
    assert sorted(name for name, _ in whole) == sorted(shard.id for shard in shards)
    refs_by_shard = {shard.id: shard.refs for shard in shards}
    for name, shard_of_rows in whole:
        assert tuple(row.ref for row in shard_of_rows) == refs_by_shard[name]


def test_a_missing_row_is_an_error_at_the_end_of_the_bundle() -> None:
    (shard,) = _shards(3, 3)
    assembly = ShardAssembly()
    for row in shard_rows(shard)[:2]:
        assert assembly.add(row) is None
    with pytest.raises(BrokenShardError, match=f"shard {shard.id}: 2 of 3 rows"):
        assembly.close()


def test_a_repeated_row_is_an_error() -> None:
    (shard,) = _shards(3, 3)
    assembly = ShardAssembly()
    first = shard_rows(shard)[0]
    assembly.add(first)
    with pytest.raises(BrokenShardError, match="two rows for image 0"):
        assembly.add(first)


@pytest.mark.parametrize("slot", [None, ShardSlot("0" * 16, 3, 3), ShardSlot("0" * 16, -1, 3)])
def test_a_row_without_a_place_is_an_error(slot: ShardSlot | None) -> None:
    with pytest.raises(BrokenShardError, match="no place"):
        ShardAssembly().add(segmentation(ImageRef("a"), slot))


def test_a_shard_written_twice_leaves_one_set_of_parts(tmp_path: Path) -> None:
    (shard,) = _shards(3, 3)
    rows = shard_rows(shard, failed=["001.jpg"])
    first = list(write_shard(str(tmp_path), shard.id, rows, {"run_id": "1"}))
    contents = {path: path.read_bytes() for path in tmp_path.rglob("*.parquet")}
    assert list(write_shard(str(tmp_path), shard.id, rows, {"run_id": "1"})) == first
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == contents
    assert [part.path for part in first] == [
        f"{dataset}/part-{shard.id}.parquet" for dataset in ("failures", "masks")
    ]
    assert take_inventory(str(tmp_path))[shard.id].is_whole


def test_no_part_without_rows(tmp_path: Path) -> None:
    (shard,) = _shards(2, 2)
    all_failed = shard_rows(shard, failed=["000.jpg", "001.jpg"])
    parts = list(write_shard(str(tmp_path), shard.id, all_failed, FACTS))
    assert [(part.dataset, part.rows) for part in parts] == [("failures", 2)]
    assert take_inventory(str(tmp_path))[shard.id].is_whole
    assert not any(isinstance(row, Segmentation) for row in all_failed)
