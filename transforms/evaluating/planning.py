"""From what a user names to shards of pairs, as pipeline steps over metadata only."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import apache_beam as beam

from beam_deeplab.transforms.evaluating.pair_sources import (
    Named,
    NamedImage,
    NamedTruth,
    Source,
    list_source,
)
from beam_deeplab.transforms.evaluating.pairing import Pairing, check_pairs, pair_by_stem
from beam_deeplab.transforms.evaluating.score_parts import write_score_parts
from beam_deeplab.transforms.records import Failure, LabelledRef
from beam_deeplab.transforms.runs.attempts import note_plan
from beam_deeplab.transforms.runs.sharding import PlanSummary, default_shard_size, shard_id

SUMMARY = "summary"
"""Tag of the plan's summary, which goes to the commit."""


@dataclass(frozen=True, slots=True)
class PairShard:
    """Pairs that are scored together; the unit of retry.

    Attributes:
        id: 16 hex digits.
        refs: The pairs, by URI.
        part: URI of the Parquet part that holds the masks of all of them; empty if they have none
            yet.
    """

    id: str
    refs: tuple[LabelledRef, ...]
    part: str = ""


@dataclass(frozen=True, slots=True)
class PairSummary:
    """What the commit must know of a plan.

    Attributes:
        images: Distinct images that were named.
        truths: Distinct truths that were named.
        duplicates: How many further times one of them was named.
        pairs: Pairs in the shards.
        unpaired: Failures that were known when the plan was made.
        shards: Ids of the shards that hold rows: those of pairs, and the one of ``unpaired``.
    """

    images: int
    truths: int
    duplicates: int
    pairs: int
    unpaired: int
    shards: tuple[str, ...]


@dataclass(frozen=True)
class PairPlan:
    """What an evaluation will do.

    Attributes:
        shards: The work, every pair in exactly one.
        failures: Rows of what cannot be scored.
        failures_shard: Id of the shard that the failures are written as.
        summary: Counts and names.
    """

    shards: tuple[PairShard, ...] = field(repr=False)
    failures: tuple[Failure, ...] = field(repr=False)
    failures_shard: str
    summary: PairSummary


def plan_pairs(
    named: Iterable[Named], run_id: str, *, shard_size: int | None = None, workers: int = 1
) -> PairPlan:
    """Pairs what was named, and cuts the pairs into shards.

    Args:
        named: All images and truths, or all pairs of lists, duplicates included.
        run_id: Of this evaluation; shards are named after it and their pairs.
        shard_size: Pairs a shard; None for
            :func:`transforms.runs.sharding.default_shard_size`. Masks that an earlier run wrote
            are scored part by part instead.
        workers: How many workers share the run.

    Returns:
        The plan; the same for the same names in any order.
    """
    records = list(named)
    images = {row.ref.uri: row for row in records if isinstance(row, NamedImage)}
    listed = [row for row in records if isinstance(row, LabelledRef)]
    if listed:
        pairing = check_pairs(listed)
        counts = len({row.uri for row in listed}), len({row.truth.uri for row in listed})
    else:
        image_refs = [row.ref for row in records if isinstance(row, NamedImage)]
        truth_refs = [row.ref for row in records if isinstance(row, NamedTruth)]
        pairing = pair_by_stem(image_refs, truth_refs)
        counts = len(images), len({ref.uri for ref in truth_refs})
    pairs, failed = _without_failed(pairing, images)
    failures = (*pairing.failures, *failed)
    shards = tuple(
        PairShard(shard_id(run_id, refs), refs, part)
        for part, refs in _chunks(pairs, images, shard_size, workers)
    )
    failures_shard = shard_id(f"{run_id} unpaired", ())
    ids = tuple(shard.id for shard in shards)
    summary = PairSummary(
        images=counts[0],
        truths=counts[1],
        duplicates=pairing.duplicates,
        pairs=len(pairs),
        unpaired=len(failures),
        shards=(*ids, failures_shard) if failures else ids,
    )
    return PairPlan(shards, failures, failures_shard, summary)


def _without_failed(
    pairing: Pairing, images: dict[str, NamedImage]
) -> tuple[list[LabelledRef], list[Failure]]:
    """Parts the pairs to score from those whose image an earlier run has no mask of."""
    pairs, failures = [], []
    for pair in pairing.pairs:
        failure = images[pair.uri].failure if pair.uri in images else None
        if failure is None:
            pairs.append(pair)
        else:
            failures.append(Failure(pair, failure.stage, failure.code, failure.message))
    return pairs, failures


def _chunks(
    pairs: Collection[LabelledRef],
    images: dict[str, NamedImage],
    shard_size: int | None,
    workers: int,
) -> Iterator[tuple[str, tuple[LabelledRef, ...]]]:
    by_part: dict[str, list[LabelledRef]] = {}
    for pair in pairs:
        part = images[pair.uri].part if pair.uri in images else ""
        by_part.setdefault(part, []).append(pair)
    size = shard_size or default_shard_size(len(pairs), workers)
    for part, refs in sorted(by_part.items()):
        step = len(refs) if part else size
        for start in range(0, len(refs), step):
            yield part, tuple(refs[start : start + step])


@dataclass(eq=False)
class PlanPairs(beam.PTransform):
    """Sources -> shards of pairs, and the plan's summary.

    The whole list meets in one place, as in :class:`transforms.PlanRun`. What cannot be paired is
    written there too, as the failures of a shard of its own.

    Attributes:
        folder: Where the parts of shards are written.
        run_id: Of this evaluation.
        shard_size: Pairs a shard; None for what suits their number and the workers.
        workers: How many workers share the run.
    """

    folder: str
    run_id: str
    shard_size: int | None = None
    workers: int = 1

    def expand(self, sources: beam.PCollection[Source]) -> beam.pvalue.DoOutputsTuple:
        """Gives ``.shards`` and ``.summary``."""
        listed = sources | beam.Reshuffle() | "List" >> beam.FlatMap(list_source)
        # Without an element GroupByKey would stay silent, and nobody would commit.
        start = sources.pipeline | "Start" >> beam.Create([None])
        return (
            (listed, start)
            | beam.Flatten()
            | beam.WithKeys(None)
            | beam.GroupByKey()
            | "Pair" >> beam.FlatMapTuple(self._plan).with_outputs(SUMMARY, main="shards")
        )

    def _plan(self, _: None, records: Iterable[Named | None]) -> Iterator[Any]:
        named = [record for record in records if record is not None]
        plan = plan_pairs(named, self.run_id, shard_size=self.shard_size, workers=self.workers)
        note_plan(self.folder, _progress(plan.summary))
        write_score_parts(self.folder, plan.failures_shard, plan.failures, ())
        yield beam.pvalue.TaggedOutput(SUMMARY, plan.summary)
        yield from plan.shards


def _progress(summary: PairSummary) -> PlanSummary:
    """The plan as whoever shows progress reads it: all rows that will be written."""
    rows = summary.pairs + summary.unpaired
    return PlanSummary(
        inputs=rows,
        duplicates=summary.duplicates,
        skipped=0,
        planned=rows,
        shards=summary.shards,
    )
