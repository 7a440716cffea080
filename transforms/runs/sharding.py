"""Which images share a shard: pure functions of their URIs, in whatever order they were listed.

Nothing of a run lives in one process, so metadata meets by key: in one of :data:`BUCKETS` buckets
by a hash of the URI. Buckets are gathered into a power of two of groups that hold some shards
each, and a group is cut into shards of neighbours by URI. So a shard holds no more images than
was asked for, and a group a few thousand however many images there are.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import math
import zlib
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from operator import attrgetter
from typing import Final

from beam_deeplab.transforms.records import ImageRef, LeftOut, Shard, ShardSlot

MAX_DEFAULT_SHARD_SIZE = 512
"""Images in a shard unless asked otherwise: a file of about 10 MB."""

SHARD_BATCHES = 64
"""Batches of the network in a shard unless asked otherwise: with the one that is being inferred,
all that a death can cost each thread."""

SHARDS_PER_WORKER = 8
"""Local runners hand shards to workers statically; eight each even out the slow ones."""

BUCKETS: Final = 2**12
"""By how many keys images meet: at ten million images some 2,400 are held at once, and a key of
its own for each would cost the shuffle more than its images."""

SHARDS_PER_GROUP: Final = 8
"""Shards that a group is at most cut into on average; the fewer, the more of them are small."""


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
        most: Images a shard where no size is asked for.
    """

    size: int | None = None
    workers: int = 1
    batch_size: int = 8
    most: int = MAX_DEFAULT_SHARD_SIZE

    def size_for(self, images: int) -> int:
        """Images a shard: at most ``most`` and 64 batches, fewer where a worker would be idle."""
        even = math.ceil(images / (SHARDS_PER_WORKER * self.workers))
        fits = min(self.most, SHARD_BATCHES * self.batch_size, even)
        return self.size or max(1, fits)


def uri_hash(uri: str) -> int:
    """What deals images to buckets, groups and files of tables: each takes its lowest bits."""
    return zlib.crc32(uri.encode())


def bucket_of(uri: str) -> int:
    """The key under which all that is known of an image meets."""
    return uri_hash(uri) % BUCKETS


def group_count(images: int, size: int) -> int:
    """Into how many groups images are gathered before they are cut; a power of two."""
    groups = 1
    while groups * SHARDS_PER_GROUP * size < images:
        groups *= 2
    return groups


def cut_shards(
    fingerprint: str, refs: Iterable[ImageRef], size: int, alone: Collection[str] = ()
) -> Iterator[Shard]:
    """Cuts the distinct images of one group into shards of neighbours by URI, of even size.

    Of at most ``size`` images; those in ``alone`` have killed a process, and each gets a shard of
    its own.
    """
    ordered = sorted(refs, key=attrgetter("uri"))
    rest = [ref for ref in ordered if ref.uri not in alone]
    count = math.ceil(len(rest) / size)
    bounds = [len(rest) * index // count for index in range(count + 1)] if count else []
    chunks = [[ref] for ref in ordered if ref.uri in alone]
    chunks += [rest[start:end] for start, end in itertools.pairwise(bounds)]
    for chunk in chunks:
        yield Shard(shard_id(fingerprint, chunk), tuple(chunk))


def slots_of(shard: Shard) -> Iterator[tuple[ImageRef, ShardSlot]]:
    """Each image of a shard with its place in it."""
    for index, ref in enumerate(shard.refs):
        yield ref, ShardSlot(shard.id, index, len(shard.refs))
