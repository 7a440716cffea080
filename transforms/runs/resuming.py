"""Building on what stands: everything is read first, and only then the output is changed.

What leaves does so before new work begins, so that no glob over the output ever shows an image
twice (:mod:`transforms.runs.salvage` says what that is). Each function here is a step's, may run
twice, also while new shards are being written, and changes one shard or the run's own record.

An image that has killed processes stays a failure until the run is committed, and is tried again
only by a resume after that: several such images would otherwise keep a run from ever ending.
"""

from __future__ import annotations

import io
import logging
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from typing import Any, Final

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
    ShardCounts,
    counts_of,
    with_counts,
)
from beam_deeplab.transforms.records import Part, Shard
from beam_deeplab.transforms.runs import attempts
from beam_deeplab.transforms.runs.attempts import ShardNotes
from beam_deeplab.transforms.runs.manifest import MANIFEST_FILE, RUN_FILE, RunRecord
from beam_deeplab.transforms.runs.plan_facts import DamagedShard, PlanFacts
from beam_deeplab.transforms.runs.proof import may_hold_others
from beam_deeplab.transforms.runs.salvage import Leaving
from beam_deeplab.transforms.runs.sharding import PlanSummary
from beam_deeplab.transforms.sources.left_out import add_up

_LOGGER = logging.getLogger(__name__)

PLANNED: Final = "planned"
LEAVING: Final = "leaving"
STANDING: Final = "standing"

ShardRecord = tuple[Any, ...]
"""What is known of a shard: its kind, and what the kind has further: the :class:`Shard` and whether
an image of it is tried alone; a dataset and the URIs that leave it; whether its parts stand whole
(None: there are none) and its notes. A shard that stands whole and without notes has none."""


class DamagedOutputError(RuntimeError):
    """A damaged part may hold the only results of images that are no longer among the inputs."""


def is_committed(output: str) -> bool:
    """Whether an output's manifest stands; notes about attempts are then of the past."""
    return storage.exists(storage.join(output, MANIFEST_FILE))


def open_output(
    output: str, facts: PlanFacts, run: RunRecord, *, discard_damaged: bool = False
) -> PlanSummary:
    """Says in ``run.json`` that a run goes on in an output: from here on it is not committed.

    Damaged parts that may hold images which are no inputs are given up with ``discard_damaged``.

    Raises:
        DamagedOutputError: There is such a part, and nothing was changed.
    """
    unproven = may_hold_others(facts.damaged, facts.unaccounted, facts.longest, run.fingerprint)
    if unproven and not discard_damaged:
        raise DamagedOutputError(_describe_unproven(unproven))
    for fault in facts.faults.values():
        _LOGGER.warning("Done again: %s", fault)
    if facts.broken > len(facts.faults):
        _LOGGER.warning("Done again: %d more such shards", facts.broken - len(facts.faults))
    if is_committed(output):
        # What a commit may have left would be taken for this run's.
        attempts.clear(output, keep_writer=True)
    storage.write_atomically(storage.join(output, RUN_FILE), run.to_json())
    storage.delete(storage.join(output, MANIFEST_FILE))
    return begin_output(output, facts, discarded_parts=len(unproven))


def begin_output(output: str, facts: PlanFacts, discarded_parts: int = 0) -> PlanSummary:
    """Notes what is planned, for whoever watches."""
    summary = PlanSummary(
        inputs=facts.inputs,
        duplicates=facts.duplicates,
        skipped=facts.skipped,
        planned=facts.planned,
        not_in_inputs=facts.not_in_inputs,
        discarded_parts=discarded_parts,
        left_out=tuple(sorted(add_up(facts.left_out))),
    )
    attempts.note_plan(output, summary)
    return summary


def _describe_unproven(unproven: Sequence[DamagedShard]) -> str:
    more = f" (and {len(unproven) - 1} more such shards)" if len(unproven) > 1 else ""
    return (
        f"{unproven[0].fault}{more}, and may hold masks of images that are not among the inputs; "
        "nothing was changed: mend it, or give it up with --resume --discard_damaged"
    )


def settle_shard(output: str, shard: str, records: Iterable[ShardRecord]) -> Shard | None:
    """Clears what may not stay of one shard, by all that is known of it, before new work begins.

    Returns:
        The shard if it is planned. Its parts are then left to be replaced, not removed, so that
        a second, late clearing cannot take a new part away.

    Raises:
        OSError: It cannot be rewritten now.
    """
    planned: Shard | None = None
    is_suspect = False
    is_whole: bool | None = None
    notes = ShardNotes(shard)
    leaving: dict[str, frozenset[str]] = {}
    for kind, *rest in records:
        if kind == PLANNED:
            planned, is_suspect = rest
        elif kind == LEAVING:
            dataset, uris = rest
            leaving[dataset] = leaving.get(dataset, frozenset()) | frozenset(uris)
        else:
            is_whole, notes = rest
    changes = bool(leaving) or is_whole is False
    if planned is not None:
        if is_suspect:
            attempts.begin(output, planned)  # as if it had been: run it with care
        return replace(planned, again=changes)
    if changes:
        rewrite_shard(output, shard, leaving)
    if notes.is_begun:
        # What stands whole died behind its writing; else its images are in other shards now.
        attempts.forget(output, notes, but_deaths=bool(is_whole) and not leaving)
    return None


def finish_rewriting(output: str, shard: str) -> None:
    """Ends what a crash within :func:`rewrite_shard` has left half done; may raise OSError."""
    leaving = attempts.begun_rewrite(output, shard)
    if leaving is not None:
        rewrite_shard(output, shard, leaving, discard_damaged=False)


def rewrite_shard(
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
    counts = ShardCounts(**rows)
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
