"""Rows as a shard's last step makes them, for tests of everything behind it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from beam_deeplab.transforms.records import (
    ClassArea,
    Failure,
    FailureCode,
    ImageRef,
    Original,
    Segmentation,
    Shard,
    ShardSlot,
    Stage,
)
from beam_deeplab.transforms.runs.sharding import Plan, plan_shards, slots_of
from beam_deeplab.transforms.runs.writing import write_shard


def segmentation(ref: ImageRef, slot: ShardSlot | None = None, png: bytes = b"png") -> Segmentation:
    areas = (ClassArea(0, "background", 6, 0.6, 0.9), ClassArea(12, "dog", 4, 0.4, 0.5))
    return Segmentation(ref, png, areas, Original(height=2, width=5), slot=slot)


def failure(ref: ImageRef, slot: ShardSlot | None = None) -> Failure:
    return Failure(ref, Stage.DECODE, FailureCode.CORRUPT, "broken", slot)


def shard_rows(shard: Shard, failed: Sequence[str] = ()) -> list[Segmentation | Failure]:
    """One row for each image of a shard; those named in ``failed`` have no mask."""
    return [
        failure(ref, slot) if ref.uri in failed else segmentation(ref, slot)
        for ref, slot in slots_of(shard)
    ]


def plan_of(images: int, size: int) -> Plan:
    """Shards of images without a past."""
    refs = [ImageRef(f"{index:03}.jpg", "1") for index in range(images)]
    return plan_shards(refs, (), "print", shard_size=size)


def write_rows(output: str | Path, shard: Shard, failed: Sequence[str] = ()) -> None:
    """Writes the parts of a shard, as the last step does."""
    list(write_shard(str(output), shard.id, shard_rows(shard, failed), {}))
