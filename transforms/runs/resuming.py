"""Building on what stands: everything is read first, and only then the output is changed.

What leaves does so before new work begins, so that no glob over the output ever shows an image
twice (:mod:`transforms.runs.salvage` says what that is).

An image that has killed processes stays a failure until the run is committed, and is tried again
only by a resume after that: several such images would otherwise keep a run from ever ending.
"""

from __future__ import annotations

import io
import logging
from collections.abc import Collection, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from beam_deeplab.transforms import storage
from beam_deeplab.transforms.parquet.parts import (
    DamagedPartError,
    open_part,
    parquet_bytes,
    read_columns,
)
from beam_deeplab.transforms.parquet.schemas import (
    DATASETS,
    FAILURES,
    MASKS,
    ShardCounts,
    counts_of,
    with_counts,
)
from beam_deeplab.transforms.records import ImageRef, Part
from beam_deeplab.transforms.runs import attempts
from beam_deeplab.transforms.runs.inventory import Inventory, take_inventory
from beam_deeplab.transforms.runs.manifest import MANIFEST_FILE, RUN_FILE, RunRecord
from beam_deeplab.transforms.runs.salvage import Leaving, may_hold_others, plan_salvage
from beam_deeplab.transforms.runs.sharding import (
    Plan,
    PlanSummary,
    Sharding,
    newest_versions,
    plan_shards,
)

_LOGGER = logging.getLogger(__name__)

_NAMED = 5
"""How many broken shards are named."""


class DamagedOutputError(RuntimeError):
    """A damaged part may hold the only results of images that are no longer among the inputs."""


def plan_resume(
    output: str,
    refs: Sequence[ImageRef],
    run: RunRecord,
    sharding: Sharding,
    *,
    discard_damaged: bool = False,
) -> tuple[Plan, PlanSummary]:
    """Plans what earlier work has left to do, and clears what may not stay.

    Safe to repeat, also while the shards of a first call are already being written.

    Args:
        output: The output folder.
        refs: What the inputs named, duplicates included.
        run: What goes on; ``run.json`` says so from here on.
        sharding: How many images share a shard.
        discard_damaged: Give up damaged parts also where they may hold images that are no inputs.

    Returns:
        The plan, and its summary beside what stands.

    Raises:
        DamagedOutputError: There is such a part, and nothing was changed.
        OSError: Something cannot be read now, and nothing was changed.
    """
    is_committed = storage.exists(storage.join(output, MANIFEST_FILE))
    begun = [] if is_committed else attempts.begun_shards(output)
    fatal = {} if is_committed else attempts.fatal_images(output)
    if not is_committed:
        finish_rewriting(output)
    inventory = take_inventory(output)
    distinct = newest_versions(refs)
    salvage = plan_salvage(inventory, distinct, fatal.keys())
    unproven = may_hold_others(inventory, salvage.broken, distinct, run.fingerprint)
    if unproven and not discard_damaged:
        raise DamagedOutputError(_describe_unproven(inventory, unproven))
    _warn_of_faults(inventory, salvage.broken)
    plan = plan_shards(
        refs,
        salvage.finished,
        run.fingerprint,
        sharding,
        begun=begun,
        alone=salvage.suspects,
    )
    _reopen(output, run, is_committed=is_committed)
    planned = {shard.id for shard in plan.shards}
    for shard, leaving in salvage.rewrites.items():
        # Parts of a shard that is about to be written are replaced, not removed, so that a
        # second, late clearing cannot take a new part away.
        if shard not in planned:
            _rewrite_shard(output, shard, leaving)
    for begun_shard in begun:
        if begun_shard.id in planned:
            continue
        if begun_shard.id in inventory.shards and begun_shard.id not in salvage.rewrites:
            attempts.finish(output, begun_shard.id, with_care=True)  # it died behind its writing
        else:
            attempts.forget(output, begun_shard.id)
    for shard_of_suspect in plan.shards:
        if any(ref.uri in salvage.suspects for ref in shard_of_suspect.refs):
            attempts.begin(output, shard_of_suspect)  # as if it had been: run it with care
    return plan, plan.summary(salvage.not_in_inputs, len(unproven))


def _describe_unproven(inventory: Inventory, unproven: Sequence[str]) -> str:
    first = inventory.shards[unproven[0]].describe_fault()
    more = f" (and {len(unproven) - 1} more such shards)" if len(unproven) > 1 else ""
    return (
        f"{first}{more}, and may hold masks of images that are not among the inputs; nothing was "
        "changed: mend it, or give it up with --resume --discard_damaged"
    )


def _warn_of_faults(inventory: Inventory, broken: Sequence[str]) -> None:
    for shard in broken[:_NAMED]:
        _LOGGER.warning("Done again: %s", inventory.shards[shard].describe_fault())
    if len(broken) > _NAMED:
        _LOGGER.warning("Done again: %d more such shards", len(broken) - _NAMED)


def _reopen(output: str, run: RunRecord, *, is_committed: bool) -> None:
    """Says that the run goes on: from here on the output is not committed."""
    if is_committed:
        # What a commit may have left would be taken for this run's.
        attempts.clear(output, keep_writer=True)
    storage.write_atomically(storage.join(output, RUN_FILE), run.to_json())
    storage.delete(storage.join(output, MANIFEST_FILE))


def finish_rewriting(output: str) -> None:
    """Ends what a crash within :func:`plan_resume` has left half done."""
    for shard, leaving in attempts.begun_rewrites(output).items():
        _rewrite_shard(output, shard, leaving, discard_damaged=False)


def _rewrite_shard(
    output: str, shard: str, leaving: Leaving, *, discard_damaged: bool = True
) -> None:
    """Writes a shard's parts again without some rows, and without the parts that are damaged.

    Each part is whole at every moment, but the shard is not until the last is written; so what
    leaves is noted under ``attempts/`` until then.
    """
    tables: dict[str, pa.Table] = {}
    changed = set()
    for dataset in DATASETS:
        try:
            content = storage.read(storage.join(output, Part(dataset, shard, 0, 0).path))
            table = read_columns(open_part(io.BytesIO(content)))
            tables[dataset] = _without(table, leaving.get(dataset, frozenset()))
            if tables[dataset].num_rows < table.num_rows:
                changed.add(dataset)
        except FileNotFoundError:
            continue
        except DamagedPartError:
            if not discard_damaged:
                return
            tables[dataset] = pa.table({})
            changed.add(dataset)
    rows = {dataset: tables[dataset].num_rows if dataset in tables else 0 for dataset in DATASETS}
    counts = ShardCounts(rows[MASKS], rows[FAILURES])
    attempts.begin_rewrite(output, shard, leaving)
    for dataset, table in tables.items():
        uri = storage.join(output, Part(dataset, shard, 0, 0).path)
        if not table.num_rows:
            storage.delete(uri)
        elif dataset in changed or counts_of(table.schema.metadata) != counts:
            storage.write_atomically(uri, parquet_bytes(with_counts(table, counts)))
    attempts.finish_rewrite(output, shard)


def _without(table: pa.Table, uris: Collection[str]) -> pa.Table:
    leaves = pc.is_in(table.column("image_uri"), value_set=pa.array(sorted(uris), pa.string()))
    return table.filter(pc.invert(leaves))
