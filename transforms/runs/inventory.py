"""What stands in an output folder: which parts, of which shards, holding which images.

Ids of shards are hexadecimal digits of a hash, so their first digit splits an output into sixteen
even shares (:data:`PREFIXES`), each listed by itself. What a share's parts hold is read some
shards at a time; nothing here needs more than one share's names and a few shards' images.
"""

from __future__ import annotations

import io
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Final

import pyarrow as pa

from beam_deeplab.transforms import storage
from beam_deeplab.transforms.parquet.parts import DamagedPartError, open_part, read_columns
from beam_deeplab.transforms.parquet.schemas import (
    DATASETS,
    FAILURES,
    FILE_COLUMNS,
    MASKS,
    ShardCounts,
    counts_of,
    dataset_schema,
    run_of,
)
from beam_deeplab.transforms.records import ImageRef, Part, Shard
from beam_deeplab.transforms.runs.attempts import ShardNotes, list_notes

PART_NAME = re.compile(r"part-([0-9a-f]{16})\.parquet")

PREFIXES: Final = tuple("0123456789abcdef")
"""The shares of an output. A local folder is gone through once for each, and on object stores each
costs a request for a thousand names."""

SHARDS_AT_ONCE: Final = 64
"""Shards whose parts are read together."""

_READERS = 16
"""Parts read at once: on object stores each costs a round trip and no CPU."""


@dataclass(frozen=True, slots=True)
class ShardFiles:
    """What a listing shows of a shard: bytes of its parts by dataset, and its notes."""

    id: str
    sizes: Mapping[str, int]
    notes: ShardNotes

    def without_notes(self) -> ShardFiles:
        """The same with its parts alone."""
        return ShardFiles(self.id, self.sizes, ShardNotes(self.id))


@dataclass(frozen=True, slots=True)
class StandingPart:
    """A Parquet part found in the output.

    Attributes:
        part: Where it is, its rows and its size.
        counts: What its shard holds; None if the file is damaged.
        rows: Its columns but for the masks, or those of them that were asked for.
        refs: The images of its rows, one a row.
        codes: The failure codes of its rows (failures only).
        writer: What wrote it: the model's name and digest, versions, and of 8-bit networks the
            instructions of the CPU.
    """

    part: Part
    counts: ShardCounts | None
    rows: pa.Table | None = field(default=None, repr=False, compare=False)
    refs: tuple[ImageRef, ...] = field(default=(), repr=False)
    codes: tuple[str, ...] = field(default=(), repr=False)
    writer: Mapping[str, Any] = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class StandingShard:
    """The parts of one shard that were found, by dataset."""

    id: str
    parts: Mapping[str, StandingPart]

    @property
    def is_whole(self) -> bool:
        """Whether the parts are what each of them says that the shard holds.

        Two writers whose attempts ended differently can leave parts whose counts agree, so the
        images are compared too.
        """
        claims = {standing.counts for standing in self.parts.values()}
        counts = claims.pop() if claims else None
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
        return {counts.total for counts in claims}

    @property
    def has_damaged_part(self) -> bool:
        """Whether a file of it stands there that cannot be read whole, however often."""
        return any(standing.counts is None for standing in self.parts.values())

    def refs(self, dataset: str) -> tuple[ImageRef, ...]:
        """The images of a part; none where it does not stand."""
        return self.parts[dataset].refs if dataset in self.parts else ()

    def known(self) -> frozenset[ImageRef]:
        """The images of all parts that can be read."""
        return frozenset(ref for dataset in DATASETS for ref in self.refs(dataset))

    def rows(self, dataset: str) -> pa.Table:
        """The rows of a part without the masks; none where it does not stand."""
        standing = self.parts.get(dataset)
        if standing is None or standing.rows is None:
            schema = dataset_schema(dataset)
            return schema.empty_table().select(_columns(dataset, whole=True))
        return standing.rows

    def describe_fault(self) -> str:
        """Names what of a shard that is not whole is missing or damaged."""
        claims = [standing.counts for standing in self.parts.values() if standing.counts]
        damaged = [
            f"{item.part.path} is damaged" for item in self.parts.values() if item.counts is None
        ]
        missing = [
            f"{Part(dataset, self.id, 0, 0).path} is missing"
            for dataset in DATASETS
            if dataset not in self.parts and any(counts.rows(dataset) for counts in claims)
        ]
        different = f"the parts of shard {self.id} are of different attempts"
        return ", ".join(damaged + missing) or different


def list_shards(output: str, prefix: str = "", names: Collection[str] = ()) -> list[ShardFiles]:
    """The shards of one share of an output that have left a part or a note, by id; four listings.

    The shards named by ``names`` are listed even if nothing of them stands. Files that our naming
    does not know are not ours and are left out.

    Raises:
        OSError: The folders cannot be listed.
    """
    notes = list_notes(output, prefix)
    sizes: dict[str, dict[str, int]] = {shard: {} for shard in (*names, *notes)}
    for dataset in DATASETS:
        for entry in storage.list_folder(storage.join(output, dataset), f"part-{prefix}"):
            if match := PART_NAME.fullmatch(entry.name):
                sizes.setdefault(match.group(1), {})[dataset] = entry.size
    return [
        ShardFiles(shard, found, notes.get(shard, ShardNotes(shard)))
        for shard, found in sorted(sizes.items())
    ]


def some_at_once(shards: Sequence[ShardFiles]) -> Iterator[Sequence[ShardFiles]]:
    """Shards in runs that are read together."""
    for start in range(0, len(shards), SHARDS_AT_ONCE):
        yield shards[start : start + SHARDS_AT_ONCE]


def inspect_shards(
    output: str, shards: Collection[ShardFiles], *, whole: bool = False
) -> list[StandingShard]:
    """Reads what the parts of some shards hold, several at once.

    All columns but the masks if ``whole``; else only what names the images. A part of ours that is
    damaged is in with ``counts`` None.

    Raises:
        OSError: A part cannot be read now, which says nothing about it.
    """
    found = [(shard.id, dataset, size) for shard in shards for dataset, size in shard.sizes.items()]
    parts: dict[str, dict[str, StandingPart]] = {shard.id: {} for shard in shards}
    with ThreadPoolExecutor(_READERS) as pool:
        for standing in pool.map(lambda item: _inspect(output, *item, whole=whole), found):
            parts[standing.part.shard][standing.part.dataset] = standing
    return [StandingShard(shard, of_shard) for shard, of_shard in parts.items()]


def take_inventory(output: str) -> dict[str, StandingShard]:
    """All shards that have left a part, by id, gathered in this process; may raise OSError."""
    listed = [shard for shard in list_shards(output) if shard.sizes]
    return {shard.id: shard for shard in inspect_shards(output, listed)}


def standing_parts(output: str, shard: Shard, results: str = MASKS) -> list[Part]:
    """The parts of a shard if they stand whole, of just its images; else none.

    Two requests for a shard that has left nothing.

    Args:
        output: The output folder.
        shard: The shard.
        results: The dataset of its results.

    Raises:
        OSError: A part cannot be read now.
    """
    datasets = FAILURES, results
    uris = [storage.join(output, Part(dataset, shard.id, 0, 0).path) for dataset in datasets]
    versions = zip(datasets, storage.versions(uris), strict=True)
    sizes = {dataset: found.size for dataset, found in versions if found.size is not None}
    if not sizes:
        return []
    (standing,) = inspect_shards(output, [ShardFiles(shard.id, sizes, ShardNotes(shard.id))])
    if not standing.is_whole or standing.known() != frozenset(shard.refs):
        return []
    return [item.part for item in standing.parts.values()]


def _columns(dataset: str, *, whole: bool) -> list[str]:
    if whole:
        files = FILE_COLUMNS.values()
        return [name for name in dataset_schema(dataset).names if name not in files]
    return ["image_uri", "image_version", *(["code"] if dataset == FAILURES else [])]


def _inspect(output: str, shard: str, dataset: str, size: int, *, whole: bool) -> StandingPart:
    part = Part(dataset, shard, 0, size)
    uri = storage.join(output, part.path)
    columns = _columns(dataset, whole=whole)
    try:
        with storage.open_seekable(uri) as file:
            return _standing(file, part, columns)
    except (DamagedPartError, ValueError):
        pass
    try:
        # Ranges have no checksum of their own; the whole file has, and decides.
        return _standing(io.BytesIO(storage.read(uri)), part, columns)
    except (DamagedPartError, ValueError):
        return StandingPart(part, counts=None)


def _standing(file: BinaryIO, part: Part, columns: Sequence[str]) -> StandingPart:
    parquet = open_part(file)
    metadata = parquet.schema_arrow.metadata
    counts = counts_of(metadata)
    rows = read_columns(parquet, columns)
    run = run_of(metadata)
    names = (rows.column(name).to_pylist() for name in ("image_uri", "image_version"))
    return StandingPart(
        Part(part.dataset, part.shard, rows.num_rows, part.size),
        counts,
        rows,
        tuple(map(ImageRef, *names)),
        tuple(rows.column("code").to_pylist()) if part.dataset == FAILURES else (),
        {name: run[name] for name in ("model", "versions", "cpu") if name in run},
    )
