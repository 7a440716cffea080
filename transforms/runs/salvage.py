"""What of earlier work under the same fingerprint stays; a decision that touches nothing.

An image's row stays if it is still right: a mask of the version that the inputs name now, or any
row of an image that they no longer name. Rows of changed images, and failures that are to be tried
again, leave. Of a shard whose parts do not add up, all rows that can be read stay likewise.

A shard is named after its images. So what a damaged part held can be proved: the inputs that no
other row accounts for, put in, must give its name. Where they do not, the part may hold the only
results of images that are no longer among the inputs, and nobody gives it up unasked.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from beam_deeplab.transforms.parquet.schemas import DATASETS, MASKS
from beam_deeplab.transforms.records import FailureCode, ImageRef
from beam_deeplab.transforms.runs.inventory import Inventory, StandingShard
from beam_deeplab.transforms.runs.sharding import shard_id

_MOST_TO_PROVE: Final = 10_000
"""Inputs that no row accounts for, up to which a proof is tried: it takes seconds."""

Leaving = Mapping[str, frozenset[str]]
"""URIs whose rows leave, by dataset."""


@dataclass(frozen=True)
class Salvage:
    """What of an output stays.

    Attributes:
        finished: Images of the inputs that need no more work.
        not_in_inputs: Images that stay although the inputs no longer name them.
        rewrites: By shard, the rows that leave its parts; those of a damaged part leave with it.
        broken: Shards whose parts do not add up.
        suspects: URIs of the inputs that killed a process; they are tried again.
    """

    finished: frozenset[ImageRef] = field(repr=False)
    not_in_inputs: int
    rewrites: Mapping[str, Leaving]
    broken: tuple[str, ...] = ()
    suspects: frozenset[str] = frozenset()


def plan_salvage(
    inventory: Inventory,
    refs: Collection[ImageRef],
    crashed: Collection[str] = (),
) -> Salvage:
    """Decides what stays; touches nothing.

    Args:
        inventory: What stands in the output.
        refs: The images of the inputs, one version each.
        crashed: Shards whose failures of the code CRASHED are results of the run that is
            resumed, and stay.

    Returns:
        The decision. An image that stands twice (two runs wrote at once) stays in one row.
    """
    version_by_uri = {ref.uri: ref.version for ref in refs}
    kept: set[ImageRef] = set()
    kept_uris: set[str] = set()
    rewrites: dict[str, Leaving] = {}
    suspects: set[str] = set()
    broken = []
    for shard in inventory.shards.values():
        results = set(shard.refs(MASKS))
        if shard.id in crashed:
            results |= set(shard.failed_with(FailureCode.CRASHED))
        leaving: dict[str, frozenset[str]] = {}
        # Masks first: of an image that stands in both, its mask stays.
        for dataset in reversed(DATASETS):
            leaves = set()
            for ref in shard.refs(dataset):
                if ref.uri not in kept_uris and _is_right(ref, results, version_by_uri):
                    kept.add(ref)
                    kept_uris.add(ref.uri)
                else:
                    leaves.add(ref.uri)
            if leaves:
                leaving[dataset] = frozenset(leaves)
        if not shard.is_whole:
            broken.append(shard.id)
        if leaving or not shard.is_whole:
            rewrites[shard.id] = leaving
            again = set().union(*leaving.values()) if leaving else set()
            suspects |= {
                ref.uri for ref in shard.failed_with(FailureCode.CRASHED) if ref.uri in again
            }
    finished = frozenset(ref for ref in kept if ref.uri in version_by_uri)
    return Salvage(
        finished=finished,
        not_in_inputs=len(kept) - len(finished),
        rewrites=rewrites,
        broken=tuple(broken),
        suspects=frozenset(suspects & version_by_uri.keys()),
    )


def _is_right(
    ref: ImageRef, results: Collection[ImageRef], version_by_uri: Mapping[str, str]
) -> bool:
    if ref.uri not in version_by_uri:
        return True
    return ref in results and version_by_uri[ref.uri] == ref.version


def may_hold_others(
    inventory: Inventory, broken: Iterable[str], refs: Collection[ImageRef], fingerprint: str
) -> tuple[str, ...]:
    """The shards with a damaged part that may hold images which are not among the inputs.

    Args:
        inventory: What stands in the output.
        broken: Shards whose parts do not add up.
        refs: The images of the inputs, one version each.
        fingerprint: Of the options that decide results, which the shards' names are made from.
    """
    damaged = [shard for shard in broken if has_damaged_part(inventory.shards[shard])]
    if not damaged:
        return ()
    known = {ref for shard in inventory.shards.values() for ref in shard.known()}
    unaccounted = sorted(ref for ref in refs if ref not in known)
    sizes = {size for shard in inventory.shards.values() for size in shard.claimed} | {1}
    unproven = damaged
    # What one shard is proved to have held can no longer be in another.
    while unproven:
        held = {
            shard: images
            for shard in unproven
            if (images := lost_images(inventory.shards[shard], unaccounted, sizes, fingerprint))
            is not None
        }
        if not held:
            break
        gone = {image for images in held.values() for image in images}
        unaccounted = [ref for ref in unaccounted if ref not in gone]
        unproven = [shard for shard in unproven if shard not in held]
    return tuple(unproven)


def has_damaged_part(shard: StandingShard) -> bool:
    """Whether a file of a shard stands there that cannot be read whole, however often."""
    return any(standing.counts is None for standing in shard.parts.values())


def lost_images(
    shard: StandingShard,
    unaccounted: Sequence[ImageRef],
    sizes: Collection[int],
    fingerprint: str,
) -> Sequence[ImageRef] | None:
    """The inputs that are proved to be what cannot be read any more of a shard.

    Args:
        shard: One whose parts do not add up.
        unaccounted: Inputs that no readable row stands for, sorted.
        sizes: How many images shards of this output hold.
        fingerprint: Which the shard's name was made from.

    Returns:
        Images; None if there is no proof.
    """
    if len(unaccounted) > _MOST_TO_PROVE:
        return None
    known = shard.known()
    for window in _windows(unaccounted, len(known), shard.claimed or sizes):
        if shard_id(fingerprint, [*known, *window]) == shard.id:
            return window
    return None


def _windows(
    refs: Sequence[ImageRef], known: int, sizes: Iterable[int]
) -> Iterator[Sequence[ImageRef]]:
    """All of the refs, and each run of neighbours that makes a shard of one of the sizes."""
    yield refs
    for size in sorted(set(sizes)):
        length = size - known
        if 0 < length < len(refs):
            for start in range(len(refs) - length + 1):
                yield refs[start : start + length]
