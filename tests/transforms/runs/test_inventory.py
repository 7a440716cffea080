"""What stands in an output, told from footers alone."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import BinaryIO

import pyarrow.parquet as pq
import pytest

from beam_deeplab.transforms import storage
from beam_deeplab.transforms.records import ImageRef, Shard
from beam_deeplab.transforms.runs.inventory import take_inventory
from beam_deeplab.transforms.runs.sharding import Sharding
from beam_deeplab.transforms.runs.writing import write_shard
from tests.plans import plan_shards
from tests.rows import FACTS, RUN, shard_rows


@pytest.fixture
def shard(tmp_path: Path) -> Shard:
    """Three images, one of them failed, written to ``tmp_path``."""
    refs = [ImageRef(name, "1") for name in ("a", "b", "c")]
    (shard,) = plan_shards(refs, (), "print", Sharding(3)).shards
    list(write_shard(str(tmp_path), shard.id, shard_rows(shard, failed=["b"]), FACTS))
    return shard


def test_parts_with_their_images_and_codes(shard: Shard, tmp_path: Path) -> None:
    inventory = take_inventory(str(tmp_path))
    standing_shard = inventory[shard.id]
    assert standing_shard.is_whole
    assert [ref.uri for ref in standing_shard.refs("masks")] == ["a", "c"]
    assert [ref.uri for ref in standing_shard.refs("failures")] == ["b"]
    assert standing_shard.parts["failures"].codes == ("CORRUPT",)
    assert standing_shard.claimed == {3}
    for standing in standing_shard.parts.values():
        path = tmp_path / standing.part.path
        assert standing.part.size == path.stat().st_size
        assert standing.writer["versions"] == RUN.versions


@pytest.mark.parametrize("dataset", ["masks", "failures"])
def test_a_shard_that_lacks_a_part_is_not_whole(shard: Shard, tmp_path: Path, dataset: str) -> None:
    (tmp_path / dataset / f"part-{shard.id}.parquet").unlink()
    assert not take_inventory(str(tmp_path))[shard.id].is_whole


@pytest.mark.parametrize("size", [0, 3, 200, -1])
def test_a_damaged_part_is_found_and_unreadable(shard: Shard, tmp_path: Path, size: int) -> None:
    path = tmp_path / "masks" / f"part-{shard.id}.parquet"
    path.write_bytes(path.read_bytes()[:size])
    standing = take_inventory(str(tmp_path))[shard.id]
    assert standing.parts["masks"].counts is None
    assert not standing.is_whole
    assert standing.describe_fault() == f"masks/part-{shard.id}.parquet is damaged"


def test_a_flipped_byte_is_damage(shard: Shard, tmp_path: Path) -> None:
    """Wherever it is among what an inventory reads: no image under another name."""
    path = tmp_path / "masks" / f"part-{shard.id}.parquet"
    whole = path.read_bytes()
    column = pq.ParquetFile(path).metadata.row_group(0).column(0)
    start = column.dictionary_page_offset or column.data_page_offset
    for offset in range(start, start + column.total_compressed_size):
        path.write_bytes(whole[:offset] + bytes([whole[offset] ^ 1]) + whole[offset + 1 :])
        (standing,) = take_inventory(str(tmp_path)).values()
        if standing.is_whole:
            assert [ref.uri for ref in standing.refs("masks")] == ["a", "c"], offset


def test_a_part_that_cannot_be_read_now_is_not_damaged(shard: Shard, tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:

        def denied(uri: str) -> BinaryIO:
            raise PermissionError(errno.EACCES, "Permission denied", uri)

        patch.setattr(storage, "open_seekable", denied)
        with pytest.raises(PermissionError, match="Permission denied"):
            take_inventory(str(tmp_path))


def test_parts_of_two_attempts_with_other_outcomes_are_not_whole(
    shard: Shard, tmp_path: Path
) -> None:
    """As when two processes write one shard at once, and a read failed for one of them."""
    mask = (tmp_path / "masks" / f"part-{shard.id}.parquet").read_bytes()
    list(write_shard(str(tmp_path), shard.id, shard_rows(shard), FACTS))
    assert take_inventory(str(tmp_path))[shard.id].is_whole
    (tmp_path / "masks" / f"part-{shard.id}.parquet").write_bytes(mask)
    assert not take_inventory(str(tmp_path))[shard.id].is_whole


def test_an_output_that_does_not_exist_is_empty(tmp_path: Path) -> None:
    assert take_inventory(str(tmp_path / "none")) == {}
