"""Plans, resumes and commits as tests ask for them: the real steps, run in this process."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import apache_beam as beam

from beam_deeplab.transforms.records import ImageRef, Part, Shard
from beam_deeplab.transforms.runs.committing import CommitRun
from beam_deeplab.transforms.runs.inventory import take_inventory
from beam_deeplab.transforms.runs.manifest import Manifest, RunRecord
from beam_deeplab.transforms.runs.planning import PlanRun
from beam_deeplab.transforms.runs.salvage import decide, input_record
from beam_deeplab.transforms.runs.sharding import (
    PlanSummary,
    Sharding,
    cut_shards,
    group_count,
    uri_hash,
)
from tests.eager_runner import Redo, run_eagerly


def standing_parts_of(output: str | Path) -> list[Part]:
    """All parts that stand, by shard."""
    shards = take_inventory(str(output)).values()
    return [standing.part for shard in shards for standing in shard.parts.values()]


@dataclass(frozen=True)
class Plan:
    """Shards, by id, and what they add up to."""

    shards: tuple[Shard, ...]
    counts: PlanSummary

    def summary(self) -> PlanSummary:
        """What the commit must know of the plan."""
        return self.counts


def plan_shards(
    refs: Collection[ImageRef], finished: Collection[ImageRef], fingerprint: str, sharding: Sharding
) -> Plan:
    """The shards of images that are not finished, where nothing stands."""
    decision = decide(map(input_record, refs))
    todo = [work.ref for work in decision.work if work.ref not in finished]
    size = sharding.size_for(len(todo))
    groups = group_count(len(todo), size)
    by_group: dict[int, list[ImageRef]] = {}
    for ref in todo:
        by_group.setdefault(uri_hash(ref.uri) % groups, []).append(ref)
    shards = [
        shard
        for _, group in sorted(by_group.items())
        for shard in cut_shards(fingerprint, group, size)
    ]
    facts = decision.facts
    skipped = len(decision.work) - len(todo)
    return Plan(tuple(shards), PlanSummary(facts.inputs, facts.duplicates, skipped, len(todo)))


def plan_run(
    output: str | Path,
    refs: Iterable[ImageRef],
    run: RunRecord,
    sharding: Sharding,
    *,
    resume: bool = True,
    discard_damaged: bool = False,
    redo: Redo = lambda _: False,
    seed: int | None = None,
) -> tuple[tuple[Shard, ...], PlanSummary]:
    """The steps of ``PlanRun`` over what was listed; shards by their first image."""

    def build(pipeline: beam.Pipeline) -> Iterator[Any]:
        listed = pipeline | "Listed" >> beam.Create(list(refs), reshuffle=False)
        planned = PlanRun(str(output), run, sharding, resume, discard_damaged=discard_damaged).plan(
            listed
        )
        yield from planned

    shards, (summary,) = run_eagerly(build, redo, seed)
    return tuple(sorted(shards, key=lambda shard: shard.refs)), summary


def plan_resume(
    output: str | Path, refs: Sequence[ImageRef], run: RunRecord, sharding: Sharding, **how: Any
) -> tuple[Plan, PlanSummary]:
    """As :func:`plan_run`, over what stands."""
    shards, summary = plan_run(output, refs, run, sharding, **how)
    return Plan(shards, summary), summary


def commit_run(
    output: str | Path,
    run: RunRecord,
    plan: PlanSummary,
    written: Iterable[Part],
    *,
    redo: Redo = lambda _: False,
    seed: int | None = None,
) -> Manifest:
    """The steps of ``CommitRun``."""

    def build(pipeline: beam.Pipeline) -> Iterator[Any]:
        parts = pipeline | "Parts" >> beam.Create(list(written), reshuffle=False)
        summary = pipeline | "Summary" >> beam.Create([plan])
        yield (parts, summary) | CommitRun(str(output), run)

    ((manifest,),) = run_eagerly(build, redo, seed)
    assert isinstance(manifest, Manifest)
    return manifest
