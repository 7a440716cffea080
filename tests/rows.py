"""Rows as a shard's last step makes them, for tests of everything behind it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from beam_deeplab.deeplab.labels import LabelSet
from beam_deeplab.transforms.records import (
    ClassArea,
    Failure,
    FailureCode,
    ImageRef,
    Original,
    Part,
    Rendering,
    Segmentation,
    Shard,
    ShardSlot,
    Stage,
)
from beam_deeplab.transforms.runs.manifest import RunRecord
from beam_deeplab.transforms.runs.sharding import Sharding, slots_of
from beam_deeplab.transforms.runs.writing import write_shard
from beam_deeplab.transforms.sources.listing import list_input
from tests.plans import Plan, plan_shards

LABELS = LabelSet.from_dict([*(f"class {label}" for label in range(12)), "dog"], name="test")

RUN = RunRecord(
    run_id="r1",
    fingerprint="print",
    options={"canvas": [513, 513], "labels": LABELS.to_dict()},
    settings={},
    model={"reference": "models/m", "digest": "d", "labels": LABELS.to_dict()},
    versions={"beam-deeplab": "0"},
    started="2026-01-01T00:00:00.000+00:00",
)


FACTS = RUN.part_metadata()
"""What the files of tests say of their run."""

RENDER_RUN = replace(RUN, dataset="renders")


def segmentation(ref: ImageRef, slot: ShardSlot | None = None, png: bytes = b"png") -> Segmentation:
    areas = (ClassArea(0, "class 0", 6, 0.6, 0.9), ClassArea(12, "dog", 4, 0.4, 0.5))
    return Segmentation(ref, png, areas, Original(height=2, width=5), slot=slot)


def rendering(ref: ImageRef, slot: ShardSlot | None = None, effect: str = "redact") -> Rendering:
    return Rendering(ref, b"jpeg", "jpg", effect, 0.25, Original(height=2, width=5), slot=slot)


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
    return plan_shards(refs, (), "print", Sharding(size))


def write_rows(output: str | Path, shard: Shard, failed: Sequence[str] = ()) -> list[Part]:
    """Writes the parts of a shard, as the last step does."""
    return list(write_shard(str(output), shard.id, shard_rows(shard, failed), RUN.part_metadata()))


def list_images(pattern: str) -> Iterator[ImageRef]:
    """The images that one input names, without the counts of what is left out."""
    return (each for each in list_input(pattern) if isinstance(each, ImageRef))
