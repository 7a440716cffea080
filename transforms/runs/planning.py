"""From patterns to shards, as pipeline steps over metadata only.

Nothing of a run lives in one process. Patterns are listed share by share
(:mod:`transforms.sources.listing`). What is known of an image are records, which meet by bucket
(:mod:`transforms.runs.sharding`); what is known of a shard meets by its id; only counts meet in
one place::

    patterns -> shares
      -> inputs -------------+-> by bucket: decide -+-> work -> by group: cut -+
    shares of the output     |        |             +-> rows that leave -------+-> by shard:
      -> shards -> read -----+        +-> facts -+                             |   settle
           |                                     +-> sum: open the output      |     |
           +-> facts ----------------------------+     = the summary           |   shards
           +-> shards that need settling --------------------------------------+

Order is what makes a resume safe, and each barrier is one that any batch runner keeps: a step
behind a GroupByKey, or with a side input, begins when all that leads to it is done.

* Nothing changes before all that stands has been read: the output is opened with the sum of all
  facts, and shards are cut and settled with the summary that opening it has given.
* No shard is worked on before every shard has been settled: a side input of the settling.

Each step may run twice, also late, while shards of its first attempt are being written. The plan
is a pure function of what was listed; opening writes the same record again; settling leaves a
planned shard's parts alone and rewrites others to what they are already. So a retry of the whole
plan finds the new shards standing, and plans what is left.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import apache_beam as beam
from apache_beam.pvalue import AsIter, AsSingleton, TaggedOutput

from beam_deeplab.transforms.records import ImageRef, LeftOut, Shard
from beam_deeplab.transforms.runs import attempts
from beam_deeplab.transforms.runs.inventory import (
    PREFIXES,
    ShardFiles,
    inspect_shards,
    list_shards,
    some_at_once,
)
from beam_deeplab.transforms.runs.manifest import RunRecord
from beam_deeplab.transforms.runs.plan_facts import Merge, PlanFacts
from beam_deeplab.transforms.runs.resuming import (
    LEAVING,
    PLANNED,
    STANDING,
    ShardRecord,
    begin_output,
    finish_rewriting,
    is_committed,
    open_output,
    settle_shard,
)
from beam_deeplab.transforms.runs.salvage import (
    Record,
    Work,
    claim_records,
    decide,
    input_record,
    row_records,
)
from beam_deeplab.transforms.runs.sharding import (
    PlanSummary,
    Sharding,
    bucket_of,
    cut_shards,
    group_count,
    shard_id,
    uri_hash,
)
from beam_deeplab.transforms.sources.listing import list_share, split_input

_FACTS: Final = "facts"
_OF_SHARDS: Final = "of_shards"
_WAITED_FOR: Final = "waited_for"

_WorkRecord = tuple[str, str, int | None, bool]


@dataclass(eq=False)
class PlanRun(beam.PTransform):
    """Patterns -> shards of images that need work, and the plan's summary.

    The plan is a pure function of the inputs, and a retry makes the same shards.

    Attributes:
        output: The output folder.
        run: What is to be done; its fingerprint names the shards.
        sharding: How many images share a shard.
        resume: Whether to build on what stands in the output.
        discard_damaged: Whether a resume gives up damaged parts that may hold images which are
            no longer among the inputs.
    """

    output: str
    run: RunRecord
    sharding: Sharding = field(default_factory=Sharding)
    resume: bool = False
    discard_damaged: bool = False

    def expand(self, patterns: beam.PCollection[str]) -> Planned:
        """Gives ``.shards`` and ``.summary``.

        Raises:
            DamagedOutputError: (by the job) see :func:`transforms.runs.resuming.open_output`.
        """
        return self.plan(
            patterns
            | "Split" >> beam.FlatMap(split_input, self.output)
            | "Spread" >> beam.Reshuffle()
            | "List" >> beam.FlatMap(list_share, self.output)
        )

    def plan(self, listed: beam.PCollection[ImageRef | LeftOut]) -> Planned:
        """As :meth:`expand`, of what the patterns name."""
        inputs = listed | "Key" >> beam.FlatMap(_keyed).with_outputs(_FACTS, main="records")
        # Where nothing is listed a sum would stay silent, and nobody would commit.
        start = listed.pipeline | "Start" >> beam.Create([PlanFacts()])
        records, facts, of_shards = [inputs.records], [inputs[_FACTS], start], []
        if self.resume:
            standing = listed.pipeline | "Standing" >> _ReadStanding(self.output)
            records.append(standing.records)
            facts.append(standing[_FACTS])
            of_shards.append(standing[_OF_SHARDS])
        decided = (
            records
            | "Records" >> beam.Flatten()
            | "ByBucket" >> beam.GroupByKey()
            | "Decide" >> beam.FlatMapTuple(_decide).with_outputs(_FACTS, _OF_SHARDS, main="work")
        )
        summary = (
            [*facts, decided[_FACTS]]
            | "Facts" >> beam.Flatten()
            | beam.WithKeys(None)
            | "Sum" >> beam.CombinePerKey(Merge(PlanFacts))
            | "Open" >> beam.MapTuple(self._open)
        )
        shards = (
            decided.work
            | "Group" >> beam.FlatMap(_grouped, AsSingleton(summary), self.sharding)
            | "ByGroup" >> beam.GroupByKey()
            | "Cut" >> beam.FlatMap(_cut, self.run.fingerprint)
        )
        if self.resume:
            of_shards += [decided[_OF_SHARDS], shards]
            settled = (
                of_shards
                | "OfShards" >> beam.Flatten()
                | "ByShard" >> beam.GroupByKey()
                | "Settle"
                >> beam.FlatMap(_settle, AsSingleton(summary), self.output).with_outputs(
                    _WAITED_FOR, main="shards"
                )
            )
            shards = settled.shards | "Wait" >> beam.Map(_wait, AsIter(settled[_WAITED_FOR]))
        else:
            shards = shards | "Shards" >> beam.MapTuple(lambda _, record: record[1])
        return Planned(shards, summary)

    def _open(self, _: None, facts: PlanFacts) -> PlanSummary:
        if not self.resume:
            return begin_output(self.output, facts)
        return open_output(self.output, facts, self.run, discard_damaged=self.discard_damaged)


class Planned(NamedTuple):
    """What a plan gives.

    Attributes:
        shards: The work; none may be begun before all of them are there.
        summary: One element.
    """

    shards: beam.PCollection[Shard]
    summary: beam.PCollection[PlanSummary]


class _ReadStanding(beam.PTransform):
    """The output's shares -> the records of its rows and begun shards, facts, and its shards."""

    def __init__(self, output: str) -> None:
        super().__init__()
        self._output = output

    def expand(self, root: beam.Pipeline) -> beam.pvalue.DoOutputsTuple:
        return (
            root
            | "Shares" >> beam.Create(PREFIXES)
            | "List" >> beam.FlatMap(_list_standing, self._output)
            | "Spread" >> beam.Reshuffle()
            | "Read"
            >> beam.FlatMap(_read_standing, self._output).with_outputs(
                _FACTS, _OF_SHARDS, main="records"
            )
        )


def _keyed(listed: ImageRef | LeftOut) -> Iterator[Any]:
    if isinstance(listed, LeftOut):
        yield TaggedOutput(_FACTS, PlanFacts(left_out=[listed]))
    else:
        yield bucket_of(listed.uri), input_record(listed)


def _list_standing(prefix: str, output: str) -> Iterator[Sequence[ShardFiles]]:
    shards = list_shards(output, prefix)
    if is_committed(output):
        shards = [shard.without_notes() for shard in shards if shard.sizes]
    elif interrupted := [shard.id for shard in shards if shard.notes.is_rewritten]:
        for shard in interrupted:
            finish_rewriting(output, shard)
        shards = list_shards(output, prefix)
    return some_at_once(shards)


def _read_standing(shards: Sequence[ShardFiles], output: str) -> Iterator[Any]:
    facts = PlanFacts()
    notes = {shard.id: shard.notes for shard in shards}
    for shard in inspect_shards(output, shards):
        noted = notes[shard.id]
        records: list[Record] = []
        if noted.is_begun:
            records += claim_records(shard.id, attempts.begun_images(output, shard.id))
        is_whole = None
        if shard.parts:
            facts.add_standing(shard)
            is_whole = shard.is_whole
            records += row_records(shard, has_fatal=noted.has_fatal(output))
        for record in records:
            yield bucket_of(record[1]), record
        if noted.files or is_whole is False:
            yield TaggedOutput(_OF_SHARDS, (shard.id, (STANDING, is_whole, noted)))
    yield TaggedOutput(_FACTS, facts)


def _decide(_: int, records: Iterable[Record]) -> Iterator[Any]:
    decision = decide(records)
    yield decision.work
    yield TaggedOutput(_FACTS, decision.facts)
    for shard, leaving in decision.leaving.items():
        for dataset, uris in leaving.items():
            yield TaggedOutput(_OF_SHARDS, (shard, (LEAVING, dataset, sorted(uris))))


def _grouped(
    bucket: list[Work], summary: PlanSummary, sharding: Sharding
) -> Iterator[tuple[str, tuple[int, list[_WorkRecord]]]]:
    size = sharding.size_for(summary.planned)
    groups = group_count(summary.planned, size)
    found: dict[str, list[_WorkRecord]] = {}
    for work in bucket:
        key = work.claimed or str(uri_hash(work.ref.uri) % groups)
        record = (work.ref.uri, work.ref.version, work.ref.size, work.alone)
        found.setdefault(key, []).append(record)
    for key, records in found.items():
        yield key, (size, records)


def _cut(
    group: tuple[str, Iterable[tuple[int, list[_WorkRecord]]]], fingerprint: str
) -> Iterator[tuple[str, ShardRecord]]:
    """The images of a group as shards; those of a begun shard as it was, if none is missing."""
    key, buckets = group
    size = 1
    refs: list[ImageRef] = []
    alone: set[str] = set()
    for size, records in buckets:  # noqa: B007 - the same in each
        refs += [ImageRef(uri, version, size=bytes_) for uri, version, bytes_, _ in records]
        alone.update(uri for uri, _, _, is_alone in records if is_alone)
    shards = [Shard(key, tuple(sorted(refs)))]
    if shard_id(fingerprint, refs) != key:
        shards = list(cut_shards(fingerprint, refs, size, alone))
    for shard in shards:
        is_suspect = any(ref.uri in alone for ref in shard.refs)
        yield shard.id, (PLANNED, shard, is_suspect)


def _settle(
    shard: tuple[str, Iterable[ShardRecord]], _: PlanSummary, output: str
) -> Iterator[Shard]:
    planned = settle_shard(output, *shard)
    if planned is not None:
        yield planned


def _wait(shard: Shard, _: Iterable[Any]) -> Shard:
    return shard
