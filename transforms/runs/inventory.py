"""What stands in an output folder: which parts, of which shards, holding which images."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.parquet as pq

from beam_deeplab.transforms import storage
from beam_deeplab.transforms.parquet.schemas import (
    CLASS_AREAS,
    DATASETS,
    FAILURES,
    MASKS,
    ShardCounts,
    counts_from_metadata,
)
from beam_deeplab.transforms.records import ImageRef, Part

PART_NAME = re.compile(r"part-([0-9a-f]{16})\.parquet")
_READERS = 16
"""Footers read at once: on object stores each costs a round trip and no CPU."""


@dataclass(frozen=True, slots=True)
class StandingPart:
    """A Parquet part found in the output.

    Attributes:
        part: Where it is, its rows and its size.
        counts: What its shard holds; None if the file is unreadable or not one of ours.
        refs: The images of its rows, one a row; of class areas each image once.
        codes: The failure codes of its rows (failures only).
        class_pixels: Pixels by class name over its rows (class areas only).
    """

    part: Part
    counts: ShardCounts | None
    refs: tuple[ImageRef, ...] = field(default=(), repr=False)
    codes: tuple[str, ...] = field(default=(), repr=False)
    class_pixels: Mapping[str, int] = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class Inventory:
    """All parts of an output, by shard and dataset."""

    shards: Mapping[str, Mapping[str, StandingPart]]

    def is_whole(self, shard: str) -> bool:
        """Whether a shard's parts add up to what each of them says the shard holds.

        Two writers whose attempts ended differently can leave parts whose counts agree, so the
        images are compared too.
        """
        parts = self.shards[shard]
        claims = {standing.counts for standing in parts.values()}
        if len(claims) != 1 or None in claims:
            return False
        counts = next(iter(claims))
        assert counts is not None
        if any(
            (parts[dataset].part.rows if dataset in parts else 0) != counts.rows(dataset)
            for dataset in DATASETS
        ):
            return False
        masks, failures, areas = (
            set(parts[dataset].refs if dataset in parts else ())
            for dataset in (MASKS, FAILURES, CLASS_AREAS)
        )
        return len(masks | failures) == counts.images and masks == areas

    def describe_broken(self, shard: str) -> str:
        """Names what of a shard that is not whole is missing or damaged."""
        parts = self.shards[shard]
        claims = [standing.counts for standing in parts.values() if standing.counts]
        damaged = [item.part.path for item in parts.values() if item.counts is None]
        missing = [
            Part(dataset, shard, 0, 0).path
            for dataset in DATASETS
            if dataset not in parts and any(counts.rows(dataset) for counts in claims)
        ]
        faults = [
            *(f"{path} is damaged" for path in damaged),
            *(f"{path} is missing" for path in missing),
        ]
        return ", ".join(faults) or f"the parts of shard {shard} are of different attempts"

    def parts(self) -> list[StandingPart]:
        """Every part, by path."""
        standing = [part for parts in self.shards.values() for part in parts.values()]
        return sorted(standing, key=lambda item: item.part.path)


def take_inventory(output: str) -> Inventory:
    """Lists an output's parts and reads their footers and image columns.

    Files that our naming does not know are not ours and are left out; a part of ours that
    cannot be read is in with ``counts`` None.

    Args:
        output: The output folder; it need not exist.

    Returns:
        What stands there.
    """
    found = [
        (dataset, match.group(1), entry.size)
        for dataset in DATASETS
        for entry in storage.list_folder(storage.join(output, dataset))
        if (match := PART_NAME.fullmatch(entry.name))
    ]
    with ThreadPoolExecutor(_READERS) as pool:
        standing = list(pool.map(lambda item: _inspect(output, *item), found))
    return Inventory(_by_shard(standing))


def _by_shard(standing: Iterable[StandingPart]) -> dict[str, dict[str, StandingPart]]:
    shards: dict[str, dict[str, StandingPart]] = {}
    for item in standing:
        shards.setdefault(item.part.shard, {})[item.part.dataset] = item
    return shards


def _inspect(output: str, dataset: str, shard: str, size: int) -> StandingPart:
    path = Part(dataset, shard, 0, size).path
    try:
        with storage.open_seekable(storage.join(output, path)) as file:
            parquet = pq.ParquetFile(file)
            counts = counts_from_metadata(parquet.schema_arrow.metadata)
            part = Part(dataset, shard, parquet.metadata.num_rows, size)
            return StandingPart(part, counts, *_columns(parquet, dataset))
    except (pa.ArrowException, OSError):
        return StandingPart(Part(dataset, shard, 0, size), counts=None)


def _columns(
    parquet: pq.ParquetFile, dataset: str
) -> tuple[tuple[ImageRef, ...], tuple[str, ...], Mapping[str, int]]:
    """Images, codes and class pixels: the last three fields of a standing part."""
    image = ["image_uri", "image_version"]
    if dataset == CLASS_AREAS:
        areas = parquet.read(columns=[*image, "class_name", "pixels"])
        sums = areas.group_by("class_name").aggregate([("pixels", "sum")]).to_pydict()
        images = areas.group_by(image, use_threads=False).aggregate([])
        return _refs(images), (), dict(zip(sums["class_name"], sums["pixels_sum"], strict=True))
    rows = parquet.read(columns=[*image, *(["code"] if dataset == FAILURES else [])])
    codes = tuple(rows.column("code").to_pylist()) if dataset == FAILURES else ()
    return _refs(rows), codes, {}


def _refs(rows: pa.Table) -> tuple[ImageRef, ...]:
    columns = (rows.column(name).to_pylist() for name in ("image_uri", "image_version"))
    return tuple(ImageRef(uri, version) for uri, version in zip(*columns, strict=True))
