"""Proving what a damaged part held, by its shard's name.

A shard is named after its images. So what a damaged part held can be proved: the inputs that no
other row accounts for, put in, must give its name. Where they do not, the part may hold the only
results of images that are no longer among the inputs, and nobody gives it up unasked.

A shard holds neighbours by URI of one group (:mod:`transforms.runs.sharding`). How many groups
its run had is not known, but it was a power of two: each is tried, and in each group every run of
neighbours that may have been a shard. That other images give a shard's name by chance is one in
2^64 for each that is tried.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Iterator, Sequence

from beam_deeplab.transforms.records import ImageRef
from beam_deeplab.transforms.runs.plan_facts import MOST_TO_PROVE, DamagedShard
from beam_deeplab.transforms.runs.sharding import MAX_DEFAULT_SHARD_SIZE, shard_id, uri_hash


def may_hold_others(
    damaged: Iterable[DamagedShard], unaccounted: Sequence[ImageRef], longest: int, fingerprint: str
) -> list[DamagedShard]:
    """The shards with a damaged part that may hold images which are not among the inputs.

    No readable row stands for the ``unaccounted`` inputs; a shard of the output holds ``longest``
    images at most, and is named after the fingerprint, too.
    """
    unproven = sorted(damaged)
    if len(unaccounted) > MOST_TO_PROVE:
        return unproven
    # What one shard is proved to have held can no longer be in another.
    while unproven:
        held = lost_images(unproven, sorted(unaccounted), longest, fingerprint)
        if not held:
            break
        gone = {image for images in held.values() for image in images}
        unaccounted = [ref for ref in unaccounted if ref not in gone]
        unproven = [shard for shard in unproven if shard.id not in held]
    return unproven


def lost_images(
    damaged: Sequence[DamagedShard], unaccounted: Sequence[ImageRef], longest: int, fingerprint: str
) -> dict[str, Sequence[ImageRef]]:
    """The inputs, by shard, that are proved to be what cannot be read any more of it.

    As for :func:`may_hold_others`, ``unaccounted`` sorted; shards without a proof are left out.
    """
    held: dict[str, Sequence[ImageRef]] = {}
    longest = max(longest, MAX_DEFAULT_SHARD_SIZE)
    nothing_known = {shard.id for shard in damaged if not shard.known}
    for shard in damaged:
        if shard_id(fingerprint, [*shard.known, *unaccounted]) == shard.id:
            held[shard.id] = unaccounted
    for groups in _group_counts(len(unaccounted)):
        for index, group in _groups(unaccounted, groups).items():
            if nothing_known:
                held |= _named(group, longest, nothing_known, fingerprint)
            for shard in damaged:
                if shard.known and all(_group_of(ref, groups) == index for ref in shard.known):
                    for window in _windows(group, shard.claimed - len(shard.known)):
                        if shard_id(fingerprint, [*shard.known, *window]) == shard.id:
                            held[shard.id] = window
    return held


def _group_counts(images: int) -> Iterator[int]:
    """Powers of two up to where no group holds two of the images but by chance."""
    groups = 1
    while groups <= max(1, images) ** 2:
        yield groups
        groups *= 2


def _group_of(ref: ImageRef, groups: int) -> int:
    return uri_hash(ref.uri) % groups


def _groups(refs: Sequence[ImageRef], groups: int) -> dict[int, list[ImageRef]]:
    found: dict[int, list[ImageRef]] = {}
    for ref in refs:
        found.setdefault(_group_of(ref, groups), []).append(ref)
    return found


def _named(
    group: Sequence[ImageRef], longest: int, names: Collection[str], fingerprint: str
) -> dict[str, Sequence[ImageRef]]:
    """The runs of neighbours that are shards of some names; each run extends the one before."""
    found: dict[str, Sequence[ImageRef]] = {}
    texts = [json.dumps([ref.uri, ref.version]).encode() for ref in group]
    begin = f"[{json.dumps(fingerprint)}, [".encode()
    for start in range(len(group)):
        digest = hashlib.sha256(begin)
        for end in range(start, min(len(group), start + longest)):
            digest.update((b", " if end > start else b"") + texts[end])
            whole = digest.copy()
            whole.update(b"]]")
            name = whole.hexdigest()[:16]
            if name in names:
                found[name] = group[start : end + 1]
    return found


def _windows(group: Sequence[ImageRef], length: int) -> Iterator[Sequence[ImageRef]]:
    if length > 0:
        for start in range(len(group) - length + 1):
            yield group[start : start + length]
