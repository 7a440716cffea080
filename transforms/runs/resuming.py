"""What earlier work under the same fingerprint leaves to build on, and how the rest is cleared.

An image's row stays if its shard is whole and the row is still right: a mask of the version that
the inputs name now, or any row of an image that they no longer name. Rows of changed images, and
failures that are to be tried again, leave their parts before new work begins, so that no glob
over the output ever shows an image twice.

An image that has killed the process stays a failure until the run is committed, and is tried again
only by a resume after that: several such images would otherwise keep a run from ever ending.
"""

from __future__ import annotations

import io
import logging
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from beam_deeplab.transforms import storage
from beam_deeplab.transforms.parquet.parts import parquet_bytes
from beam_deeplab.transforms.parquet.schemas import (
    CLASS_AREAS,
    DATASETS,
    FAILURES,
    MASKS,
    ShardCounts,
    with_counts,
)
from beam_deeplab.transforms.records import FailureCode, ImageRef, Part
from beam_deeplab.transforms.runs import attempts
from beam_deeplab.transforms.runs.inventory import Inventory, StandingPart, take_inventory
from beam_deeplab.transforms.runs.sharding import Plan, PlanSummary, newest_versions, plan_shards

_LOGGER = logging.getLogger(__name__)

_NAMED = 5
"""How many broken shards are named."""


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


def plan_salvage(
    inventory: Inventory, refs: Iterable[ImageRef], crashed: Collection[str] = ()
) -> Salvage:
    """Decides what stays; touches nothing.

    Args:
        inventory: What stands in the output.
        refs: The images of the inputs, one version each.
        crashed: Shards whose failures of the code CRASHED are results of the run that is
            resumed, and stay.

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
        right = {*_refs(parts, MASKS), *(_crashed(parts) if shard in crashed else ())}
        stays = {
            ref
            for dataset in (MASKS, FAILURES)
            for ref in _refs(parts, dataset)
            if ref.uri not in kept and _is_right(ref, right, version_by_uri)
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


def _is_right(
    ref: ImageRef, results: Collection[ImageRef], version_by_uri: Mapping[str, str]
) -> bool:
    if ref.uri not in version_by_uri:
        return True
    return ref in results and version_by_uri[ref.uri] == ref.version


def clear_rest(
    output: str, inventory: Inventory, salvage: Salvage, replanned: Iterable[str] = ()
) -> None:
    """Removes from the output what does not stay; again and again with the same result.

    A crash half way leaves a shard whose parts do not add up: one that was to go is broken then,
    and one that stays in part is noted under ``attempts/`` for :func:`finish_clearing`.

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
            _rewrite_shard(output, shard, uris)
        elif shard not in spared:
            _remove_shard(output, inventory, shard)


def _remove_shard(output: str, inventory: Inventory, shard: str) -> None:
    for dataset in reversed(DATASETS):
        if dataset in inventory.shards[shard]:
            storage.delete(storage.join(output, inventory.shards[shard][dataset].part.path))


def finish_clearing(output: str) -> None:
    """Ends what a crash within :func:`clear_rest` has left half done."""
    for shard, uris in attempts.begun_rewrites(output).items():
        _rewrite_shard(output, shard, uris)


def _rewrite_shard(output: str, shard: str, leaving: frozenset[str]) -> None:
    """Writes a shard's parts again without the rows of some images.

    Each part is whole at every moment, but the shard is not until the last is written.
    """
    tables = {}
    for dataset in DATASETS:
        try:
            content = storage.read(storage.join(output, _path(dataset, shard)))
        except FileNotFoundError:
            continue
        try:
            table = pq.read_table(io.BytesIO(content))
        except (pa.ArrowException, OSError):  # damaged: the shard is broken, and treated so
            attempts.finish_rewrite(output, shard)
            return
        leaves = pc.is_in(table.column("image_uri"), value_set=pa.array(leaving, pa.string()))
        tables[dataset] = table.filter(pc.invert(leaves))
    masks, failures, areas = (
        tables[dataset].num_rows if dataset in tables else 0
        for dataset in (MASKS, FAILURES, CLASS_AREAS)
    )
    counts = ShardCounts(masks + failures, masks, failures, areas)
    attempts.begin_rewrite(output, shard, leaving)
    for dataset, table in tables.items():
        uri = storage.join(output, _path(dataset, shard))
        if table.num_rows:
            storage.write_atomically(uri, parquet_bytes(with_counts(table, counts)))
        else:
            storage.delete(uri)
    attempts.finish_rewrite(output, shard)


def _path(dataset: str, shard: str) -> str:
    return Part(dataset, shard, 0, 0).path


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
    finish_clearing(output)
    inventory = take_inventory(output)
    crashed = attempts.shards_with_fatal_images(output)
    salvage = plan_salvage(inventory, newest_versions(refs), crashed)
    for broken in salvage.broken[:_NAMED]:
        _LOGGER.warning("Done again: %s", inventory.describe_broken(broken))
    if len(salvage.broken) > _NAMED:
        _LOGGER.warning("Done again: %d more such shards", len(salvage.broken) - _NAMED)
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
        if shard.id in salvage.whole:
            attempts.finish(output, shard.id)
        elif shard not in plan.shards:
            attempts.forget(output, shard.id)
    for shard in plan.shards:
        if any(ref.uri in salvage.suspects for ref in shard.refs):
            attempts.begin(output, shard)  # as if it had been: run it with care at once
    return plan, summary
