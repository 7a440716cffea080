"""What stands in an output, told from footers alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from beam_deeplab.transforms.records import ImageRef, Shard
from beam_deeplab.transforms.runs.inventory import take_inventory
from beam_deeplab.transforms.runs.sharding import plan_shards
from beam_deeplab.transforms.runs.writing import write_shard
from tests.rows import shard_rows


@pytest.fixture
def shard(tmp_path: Path) -> Shard:
    """Three images, one of them failed, written to ``tmp_path``."""
    refs = [ImageRef(name, "1") for name in ("a", "b", "c")]
    (shard,) = plan_shards(refs, (), "print", shard_size=3).shards
    list(write_shard(str(tmp_path), shard.id, shard_rows(shard, failed=["b"]), {}))
    return shard


def test_parts_with_their_images_codes_and_areas(shard: Shard, tmp_path: Path) -> None:
    inventory = take_inventory(str(tmp_path))
    assert inventory.is_whole(shard.id)
    parts = inventory.shards[shard.id]
    assert [ref.uri for ref in parts["masks"].refs] == ["a", "c"]
    assert [ref.uri for ref in parts["failures"].refs] == ["b"]
    assert parts["failures"].codes == ("CORRUPT",)
    assert parts["class_areas"].class_pixels == {"background": 12, "dog": 8}
    for standing in inventory.parts():
        path = tmp_path / standing.part.path
        assert standing.part.size == path.stat().st_size


@pytest.mark.parametrize("dataset", ["masks", "failures", "class_areas"])
def test_a_shard_that_lacks_a_part_is_not_whole(shard: Shard, tmp_path: Path, dataset: str) -> None:
    (tmp_path / dataset / f"part-{shard.id}.parquet").unlink()
    assert not take_inventory(str(tmp_path)).is_whole(shard.id)


@pytest.mark.parametrize("size", [0, 3, 200, -1])
def test_a_damaged_part_is_found_and_unreadable(shard: Shard, tmp_path: Path, size: int) -> None:
    path = tmp_path / "masks" / f"part-{shard.id}.parquet"
    path.write_bytes(path.read_bytes()[:size])
    inventory = take_inventory(str(tmp_path))
    assert inventory.shards[shard.id]["masks"].counts is None
    assert not inventory.is_whole(shard.id)


def test_parts_of_two_attempts_with_other_outcomes_are_not_whole(
    shard: Shard, tmp_path: Path
) -> None:
    """As when two processes write one shard at once, and a read failed for one of them."""
    mask = (tmp_path / "masks" / f"part-{shard.id}.parquet").read_bytes()
    list(write_shard(str(tmp_path), shard.id, shard_rows(shard), {}))
    assert take_inventory(str(tmp_path)).is_whole(shard.id)
    (tmp_path / "masks" / f"part-{shard.id}.parquet").write_bytes(mask)
    assert not take_inventory(str(tmp_path)).is_whole(shard.id)


def test_an_output_that_does_not_exist_is_empty(tmp_path: Path) -> None:
    assert take_inventory(str(tmp_path / "none")).parts() == []
