"""What stands in an output folder: which parts, of which shards, holding which images."""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from beam_deeplab.transforms import storage
from beam_deeplab.transforms.parquet.parts import DamagedPartError, open_part, read_columns
from beam_deeplab.transforms.parquet.schemas import (
    DATASETS,
    FAILURES,
    ShardCounts,
    counts_of,
    run_of,
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
        counts: What its shard holds; None if the file is damaged.
        refs: The images of its rows, one a row.
        codes: The failure codes of its rows (failures only).
        writer: What wrote it: the model's name and digest, and versions.
    """

    part: Part
    counts: ShardCounts | None
    refs: tuple[ImageRef, ...] = field(default=(), repr=False)
    codes: tuple[str, ...] = field(default=(), repr=False)
    writer: Mapping[str, Any] = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class StandingShard:
    """The parts of one shard that were found.

    Attributes:
        id: Of the shard.
        parts: By dataset.
    """

    id: str
    parts: Mapping[str, StandingPart]

    @property
    def is_whole(self) -> bool:
        """Whether the parts are what each of them says that the shard holds.

        Two writers whose attempts ended differently can leave parts whose counts agree, so the
        images are compared too.
        """
        claims = {standing.counts for standing in self.parts.values()}
        counts = claims.pop()
        if claims or counts is None:
            return False
        found = {dataset: len(self.refs(dataset)) for dataset in DATASETS}
        images = {ref for dataset in DATASETS for ref in self.refs(dataset)}
        return len(images) == sum(found.values()) and all(
            found[dataset] == counts.rows(dataset) for dataset in DATASETS
        )

    @property
    def claimed(self) -> set[int]:
        """How many images the readable parts say that the shard holds."""
        claims = [standing.counts for standing in self.parts.values() if standing.counts]
        return {counts.masks + counts.failures for counts in claims}

    def refs(self, dataset: str) -> tuple[ImageRef, ...]:
        """The images of a part; none where it does not stand."""
        return self.parts[dataset].refs if dataset in self.parts else ()

    def known(self) -> frozenset[ImageRef]:
        """The images of all parts that can be read."""
        return frozenset(ref for dataset in DATASETS for ref in self.refs(dataset))

    def failed_with(self, code: str) -> tuple[ImageRef, ...]:
        """The images of its failures of one code."""
        if FAILURES not in self.parts:
            return ()
        failures = self.parts[FAILURES]
        pairs = zip(failures.refs, failures.codes, strict=True)
        return tuple(ref for ref, each in pairs if each == code)

    def describe_fault(self) -> str:
        """Names what of a shard that is not whole is missing or damaged."""
        claims = [standing.counts for standing in self.parts.values() if standing.counts]
        damaged = [item.part.path for item in self.parts.values() if item.counts is None]
        missing = [
            Part(dataset, self.id, 0, 0).path
            for dataset in DATASETS
            if dataset not in self.parts and any(counts.rows(dataset) for counts in claims)
        ]
        faults = [
            *(f"{path} is damaged" for path in damaged),
            *(f"{path} is missing" for path in missing),
        ]
        return ", ".join(faults) or f"the parts of shard {self.id} are of different attempts"


@dataclass(frozen=True)
class Inventory:
    """All parts of an output, by shard."""

    shards: Mapping[str, StandingShard]

    def parts(self) -> list[StandingPart]:
        """Every part, by path."""
        standing = [part for shard in self.shards.values() for part in shard.parts.values()]
        return sorted(standing, key=lambda item: item.part.path)


def take_inventory(output: str) -> Inventory:
    """Lists an output's parts and reads their footers and image columns.

    Files that our naming does not know are not ours and are left out; a part of ours that
    is damaged is in with ``counts`` None.

    Args:
        output: The output folder; it need not exist.

    Returns:
        What stands there.

    Raises:
        OSError: A part cannot be read now, which says nothing about it.
    """
    found = [
        (dataset, match.group(1), entry.size)
        for dataset in DATASETS
        for entry in storage.list_folder(storage.join(output, dataset))
        if (match := PART_NAME.fullmatch(entry.name))
    ]
    with ThreadPoolExecutor(_READERS) as pool:
        return Inventory(_by_shard(pool.map(lambda item: _inspect(output, *item), found)))


def _by_shard(standing: Iterable[StandingPart]) -> dict[str, StandingShard]:
    shards: dict[str, dict[str, StandingPart]] = {}
    for item in standing:
        shards.setdefault(item.part.shard, {})[item.part.dataset] = item
    return {shard: StandingShard(shard, parts) for shard, parts in sorted(shards.items())}


def _inspect(output: str, dataset: str, shard: str, size: int) -> StandingPart:
    uri = storage.join(output, Part(dataset, shard, 0, size).path)
    try:
        with storage.open_seekable(uri) as file:
            return _standing(file, dataset, shard, size)
    except (DamagedPartError, ValueError):
        pass
    try:
        # Ranges have no checksum of their own; the whole file has, and decides.
        return _standing(io.BytesIO(storage.read(uri)), dataset, shard, size)
    except (DamagedPartError, ValueError):
        return StandingPart(Part(dataset, shard, 0, size), counts=None)


def _standing(file: BinaryIO, dataset: str, shard: str, size: int) -> StandingPart:
    columns = ["image_uri", "image_version", *(["code"] if dataset == FAILURES else [])]
    parquet = open_part(file)
    metadata = parquet.schema_arrow.metadata
    counts = counts_of(metadata)
    rows = read_columns(parquet, columns)
    run = run_of(metadata)
    return StandingPart(
        Part(dataset, shard, rows.num_rows, size),
        counts,
        tuple(map(ImageRef, *(rows.column(name).to_pylist() for name in columns[:2]))),
        tuple(rows.column("code").to_pylist()) if dataset == FAILURES else (),
        {name: run.get(name) for name in ("model", "versions")},
    )
