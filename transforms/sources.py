"""From patterns to shards, as pipeline steps over metadata only."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import apache_beam as beam

from transforms.inventory import Inventory, take_inventory
from transforms.listing import list_images
from transforms.records import ImageRef
from transforms.resuming import clear_rest, plan_salvage
from transforms.sharding import newest_versions, plan_shards

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
        fingerprint: Of the options that decide results.
        resume: Whether to build on what stands in the output.
        shard_size: Images a shard; None for what suits the number of images and workers.
        workers: How many workers share the run.
    """

    output: str
    fingerprint: str
    resume: bool = False
    shard_size: int | None = None
    workers: int = 1

    def expand(self, patterns: beam.PCollection[str]) -> beam.pvalue.DoOutputsTuple:
        """Gives ``.shards`` and ``.summary``."""
        listed = patterns | beam.Reshuffle() | "List" >> beam.FlatMap(list_images)
        # Without an element GroupByKey would stay silent, and nobody would commit.
        start = patterns.pipeline | "Start" >> beam.Create([None])
        return (
            (listed, start)
            | beam.Flatten()
            | beam.WithKeys(None)
            | beam.GroupByKey()
            | "Plan" >> beam.FlatMapTuple(self._plan).with_outputs(SUMMARY, main="shards")
        )

    def _plan(self, _: None, records: Iterable[ImageRef | None]) -> Iterator[Any]:
        refs = [record for record in records if record is not None]
        inventory = take_inventory(self.output) if self.resume else Inventory({})
        salvage = plan_salvage(inventory, newest_versions(refs))
        plan = plan_shards(
            refs,
            salvage.finished,
            self.fingerprint,
            shard_size=self.shard_size,
            workers=self.workers,
        )
        summary = plan.summary(salvage.whole, salvage.not_in_inputs)
        clear_rest(self.output, inventory, salvage, summary.shards)
        yield beam.pvalue.TaggedOutput(SUMMARY, summary)
        yield from plan.shards
