"""Which images are worked on, and which of them together: a pure plan over metadata."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

from beam_deeplab.transforms.records import ImageRef, LeftOut, Shard, ShardSlot

MAX_DEFAULT_SHARD_SIZE = 512
"""Images in a shard unless asked otherwise: a file of about 10 MB."""

SHARD_BATCHES = 64
"""Batches of the network in a shard unless asked otherwise: with the one that is being inferred,
all that a death can cost each thread."""

SHARDS_PER_WORKER = 8
"""Local runners hand shards to workers statically; eight each even out the slow ones."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run will do.

    Attributes:
        shards: The work, every image in exactly one.
        inputs: Distinct images among the inputs.
        duplicates: How many further times the inputs named one of them.
        skipped: Inputs that earlier work under the same fingerprint has finished.
    """

    shards: tuple[Shard, ...]
    inputs: int
    duplicates: int
    skipped: int

    def summary(self, not_in_inputs: int = 0, discarded_parts: int = 0) -> PlanSummary:
        """The plan without its images, beside what earlier work has left."""
        return PlanSummary(
            inputs=self.inputs,
            duplicates=self.duplicates,
            skipped=self.skipped,
            planned=sum(len(shard.refs) for shard in self.shards),
            not_in_inputs=not_in_inputs,
            discarded_parts=discarded_parts,
        )


@dataclass(frozen=True, slots=True)
class PlanSummary:
    """What the commit must know of a plan: counts, no images.

    Attributes:
        inputs: Distinct images among the inputs.
        duplicates: How many further times the inputs named one of them.
        skipped: Inputs that earlier work has finished.
        planned: Images in the plan's shards.
        not_in_inputs: Finished images that the inputs no longer name.
        discarded_parts: Damaged parts that were given up with all that they may have held.
        left_out: Files that the inputs name and that are no images.
    """

    inputs: int
    duplicates: int
    skipped: int
    planned: int
    not_in_inputs: int = 0
    discarded_parts: int = 0
    left_out: tuple[LeftOut, ...] = ()


def shard_id(fingerprint: str, refs: Iterable[ImageRef]) -> str:
    """Names a shard after its content, so that a retry writes the same files again.

    Another image or another version gives another name: a resumed run or one with added
    images can never write over another shard.

    Args:
        fingerprint: Of the options that decide results.
        refs: The shard's images, in any order.

    Returns:
        The first 16 hex digits of SHA-256 over the fingerprint and the sorted images.
    """
    content = [fingerprint, sorted((ref.uri, ref.version) for ref in refs)]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Sharding:
    """What decides how many images share a shard.

    Attributes:
        size: Images a shard, as asked for; None for what suits the run.
        workers: How many workers share the run.
        batch_size: Pictures that the network is given at once.
    """

    size: int | None = None
    workers: int = 1
    batch_size: int = 8

    def size_for(self, images: int) -> int:
        """Images a shard: at most 512 and 64 batches, fewer where a worker would be idle."""
        even = math.ceil(images / (SHARDS_PER_WORKER * self.workers))
        fits = min(MAX_DEFAULT_SHARD_SIZE, SHARD_BATCHES * self.batch_size, even)
        return self.size or max(1, fits)


def newest_versions(refs: Iterable[ImageRef]) -> list[ImageRef]:
    """Each distinct image once, by URI.

    Two versions of one URI (it changed while it was listed twice) are one image; the last by
    sort order counts.
    """
    newest: dict[str, ImageRef] = {}
    for ref in refs:
        newest[ref.uri] = max(newest.get(ref.uri, ref), ref)
    return sorted(newest.values())


def plan_shards(
    refs: Collection[ImageRef],
    finished: Collection[ImageRef],
    fingerprint: str,
    sharding: Sharding,
    *,
    begun: Iterable[Shard] = (),
    alone: Collection[str] = (),
) -> Plan:
    """Plans a run: each distinct image that is not finished, in exactly one shard.

    Neighbours by URI share a shard, and the same set of images gives the same shards in
    whatever order it was listed.

    Args:
        refs: What the inputs named, duplicates included.
        finished: Images that need no more work, under the same fingerprint.
        fingerprint: Of the options that decide results.
        sharding: How many images share a shard.
        begun: Shards of an earlier run that never finished. One whose images all still need
            work is planned again as it was, so that what is noted about it keeps its meaning.
        alone: URIs of images that have killed a process; each gets a shard of its own.

    Returns:
        The plan.
    """
    distinct = newest_versions(refs)
    todo = {ref: ref for ref in distinct if ref not in finished}
    skipped = len(distinct) - len(todo)
    size = sharding.size_for(len(todo))
    shards = [
        Shard(shard.id, tuple(todo.pop(ref) for ref in shard.refs))
        for shard in begun
        if all(ref in todo for ref in shard.refs)
    ]
    chunks: list[tuple[ImageRef, ...]] = [(ref,) for ref in todo if ref.uri in alone]
    rest = [ref for ref in todo if ref.uri not in alone]
    chunks += [tuple(rest[start : start + size]) for start in range(0, len(rest), size)]
    shards += [Shard(shard_id(fingerprint, chunk), chunk) for chunk in chunks]
    return Plan(
        shards=tuple(shards),
        inputs=len(distinct),
        duplicates=len(refs) - len(distinct),
        skipped=skipped,
    )


def slots_of(shard: Shard) -> Iterator[tuple[ImageRef, ShardSlot]]:
    """Each image of a shard with its place in it."""
    for index, ref in enumerate(shard.refs):
        yield ref, ShardSlot(shard.id, index, len(shard.refs))
