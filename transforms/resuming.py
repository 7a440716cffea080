"""What earlier work under the same fingerprint leaves to build on, and how the rest is cleared.

An image's row stays if its shard is whole and the row is still right: a mask of the version that
the inputs name now, or any row of an image that they no longer name. Rows of changed images, and
failures that are to be tried again, leave their parts before new work begins, so that no glob
over the output ever shows an image twice.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from transforms import attempts, storage
from transforms.inventory import Inventory, StandingPart, take_inventory
from transforms.parts import parquet_bytes
from transforms.records import FailureCode, ImageRef
from transforms.schemas import (
    CLASS_AREAS,
    DATASETS,
    FAILURES,
    MASKS,
    ShardCounts,
    with_counts,
)
from transforms.sharding import Plan, PlanSummary, newest_versions, plan_shards


@dataclass(frozen=True)
class Salvage:
    """What of an output stays.

    Attributes:
        finished: Images of the inputs that need no more work.
        not_in_inputs: Images that stay although the inputs no longer name them.
        whole: Shards that stay, at least in part.
        removals: URIs whose rows leave, by shard; of a shard in ``whole`` others stay.
        broken: Shards whose parts do not add up, and which go altogether.
        suspects: URIs of the inputs that killed a process; they are tried again.
    """

    finished: frozenset[ImageRef] = field(repr=False)
    not_in_inputs: int
    whole: tuple[str, ...]
    removals: Mapping[str, frozenset[str]]
    broken: tuple[str, ...]
    suspects: frozenset[str] = frozenset()


def plan_salvage(inventory: Inventory, refs: Iterable[ImageRef]) -> Salvage:
    """Decides what stays; touches nothing.

    Args:
        inventory: What stands in the output.
        refs: The images of the inputs, one version each.

    Returns:
        The decision. An image that stands twice (two runs wrote at once) stays in one shard.
    """
    version_by_uri = {ref.uri: ref.version for ref in refs}
    finished: set[ImageRef] = set()
    kept: set[str] = set()
    removals: dict[str, frozenset[str]] = {}
    whole, broken = [], []
    for shard in sorted(inventory.shards):
        if not inventory.is_whole(shard):
            broken.append(shard)
            continue
        parts = inventory.shards[shard]
        stays = {
            ref
            for dataset in (MASKS, FAILURES)
            for ref in _refs(parts, dataset)
            if ref.uri not in kept and _is_right(dataset, ref, version_by_uri)
        }
        leaves = frozenset(
            ref.uri for dataset in (MASKS, FAILURES) for ref in _refs(parts, dataset)
        ) - {ref.uri for ref in stays}
        if leaves:
            removals[shard] = leaves
        if stays:
            whole.append(shard)
        kept |= {ref.uri for ref in stays}
        finished |= {ref for ref in stays if ref.uri in version_by_uri}
    return Salvage(
        finished=frozenset(finished),
        not_in_inputs=len(kept) - len(finished),
        whole=tuple(whole),
        removals=removals,
        broken=tuple(broken),
        suspects=frozenset(
            ref.uri
            for shard in removals
            for ref in _crashed(inventory.shards[shard])
            if ref.uri in version_by_uri
        ),
    )


def _crashed(parts: Mapping[str, StandingPart]) -> Iterator[ImageRef]:
    if FAILURES in parts:
        failures = parts[FAILURES]
        for ref, code in zip(failures.refs, failures.codes, strict=True):
            if code == FailureCode.CRASHED:
                yield ref


def _refs(parts: Mapping[str, StandingPart], dataset: str) -> tuple[ImageRef, ...]:
    return parts[dataset].refs if dataset in parts else ()


def _is_right(dataset: str, ref: ImageRef, version_by_uri: Mapping[str, str]) -> bool:
    if ref.uri not in version_by_uri:
        return True
    return dataset == MASKS and version_by_uri[ref.uri] == ref.version


def clear_rest(
    output: str, inventory: Inventory, salvage: Salvage, replanned: Iterable[str] = ()
) -> None:
    """Removes from the output what does not stay; again and again with the same result.

    A crash half way leaves a shard whose parts do not add up, which the next resume removes.

    Args:
        output: The output folder.
        inventory: What stood there when the salvage was planned.
        salvage: What stays.
        replanned: Shards that are about to be written: their parts are replaced, not removed,
            so that a second, late clearing cannot take a new part away.
    """
    spared = set(replanned)
    for shard in salvage.broken:
        if shard not in spared:
            _remove_shard(output, inventory, shard)
    for shard, uris in salvage.removals.items():
        if shard in salvage.whole:
            _rewrite_shard(output, inventory.shards[shard], uris)
        elif shard not in spared:
            _remove_shard(output, inventory, shard)


def _remove_shard(output: str, inventory: Inventory, shard: str) -> None:
    for dataset in reversed(DATASETS):
        if dataset in inventory.shards[shard]:
            storage.delete(storage.join(output, inventory.shards[shard][dataset].part.path))


def _rewrite_shard(output: str, parts: Mapping[str, StandingPart], removed: frozenset[str]) -> None:
    """Writes a shard's parts again without the rows of some images."""
    tables = {}
    for dataset, standing in parts.items():
        content = storage.read(storage.join(output, standing.part.path))
        table = pq.read_table(io.BytesIO(content))
        leaves = pc.is_in(table.column("image_uri"), value_set=pa.array(removed, pa.string()))
        tables[dataset] = table.filter(pc.invert(leaves))
    masks, failures, areas = (
        tables[dataset].num_rows if dataset in tables else 0
        for dataset in (MASKS, FAILURES, CLASS_AREAS)
    )
    counts = ShardCounts(masks + failures, masks, failures, areas)
    for dataset in DATASETS:
        if dataset not in tables:
            continue
        uri = storage.join(output, parts[dataset].part.path)
        if tables[dataset].num_rows:
            storage.write_atomically(uri, parquet_bytes(with_counts(tables[dataset], counts)))
        else:
            storage.delete(uri)


def plan_resume(
    output: str,
    refs: Sequence[ImageRef],
    fingerprint: str,
    shard_size: int | None = None,
    workers: int = 1,
) -> tuple[Plan, PlanSummary]:
    """Plans what earlier work has left to do, and clears what may not stay.

    Safe to repeat, also while the shards of a first call are already being written.

    Args:
        output: The output folder.
        refs: What the inputs named, duplicates included.
        fingerprint: Of the options that decide results.
        shard_size: Images a shard; None for the default.
        workers: How many workers share the run.

    Returns:
        The plan, and its summary beside what stands.
    """
    inventory = take_inventory(output)
    salvage = plan_salvage(inventory, newest_versions(refs))
    begun = attempts.begun_shards(output)
    plan = plan_shards(
        refs,
        salvage.finished,
        fingerprint,
        shard_size=shard_size,
        workers=workers,
        begun=begun,
        alone=salvage.suspects,
    )
    summary = plan.summary(salvage.whole, salvage.not_in_inputs)
    clear_rest(output, inventory, salvage, summary.shards)
    for shard in begun:
        if shard not in plan.shards:
            attempts.forget(output, shard.id)
    for shard in plan.shards:
        if any(ref.uri in salvage.suspects for ref in shard.refs):
            attempts.begin(output, shard)  # as if it had been: run it with care at once
    return plan, summary
