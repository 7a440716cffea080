"""From patterns to shards, as pipeline steps over metadata only."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import apache_beam as beam

from beam_deeplab.transforms.records import ImageRef, LeftOut
from beam_deeplab.transforms.runs.attempts import note_plan
from beam_deeplab.transforms.runs.manifest import RunRecord
from beam_deeplab.transforms.runs.resuming import plan_resume
from beam_deeplab.transforms.runs.sharding import Sharding, plan_shards
from beam_deeplab.transforms.sources.listing import list_input

SUMMARY = "summary"
"""Tag of the plan's summary, which goes to the commit."""


@dataclass(eq=False)
class PlanRun(beam.PTransform):
    """Patterns -> shards of images that need work, and the plan's summary.

    The whole list meets in one place, where it is deduplicated, sorted and cut: the plan is
    a pure function of the inputs, and a retry makes the same shards. It holds URIs only, a
    few hundred bytes an image.

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

    def expand(self, patterns: beam.PCollection[str]) -> beam.pvalue.DoOutputsTuple:
        """Gives ``.shards`` and ``.summary``."""
        listed = patterns | beam.Reshuffle() | "List" >> beam.FlatMap(list_input, self.output)
        # Without an element GroupByKey would stay silent, and nobody would commit.
        start = patterns.pipeline | "Start" >> beam.Create([None])
        return (
            (listed, start)
            | beam.Flatten()
            | beam.WithKeys(None)
            | beam.GroupByKey()
            | "Plan" >> beam.FlatMapTuple(self._plan).with_outputs(SUMMARY, main="shards")
        )

    def _plan(self, _: None, records: Iterable[ImageRef | LeftOut | None]) -> Iterator[Any]:
        refs: list[ImageRef] = []
        left_out: list[LeftOut] = []
        for record in records:
            if isinstance(record, ImageRef):
                refs.append(record)
            elif record is not None:
                left_out.append(record)
        if self.resume:
            plan, summary = plan_resume(
                self.output,
                refs,
                self.run,
                self.sharding,
                discard_damaged=self.discard_damaged,
            )
        else:
            plan = plan_shards(refs, (), self.run.fingerprint, self.sharding)
            summary = plan.summary()
        summary = replace(summary, left_out=tuple(sorted(left_out)))
        note_plan(self.output, summary)
        yield beam.pvalue.TaggedOutput(SUMMARY, summary)
        yield from plan.shards
