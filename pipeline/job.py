"""The job: patterns in, a committed output out. Wiring only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import apache_beam as beam

from beam_deeplab.transforms.runs.committing import CommitRun
from beam_deeplab.transforms.runs.manifest import RunRecord
from beam_deeplab.transforms.runs.planning import PlanRun
from beam_deeplab.transforms.runs.sharding import Sharding
from beam_deeplab.transforms.runs.writer import pass_if_held
from beam_deeplab.transforms.segmenting.composites import SegmentShards
from beam_deeplab.transforms.segmenting.handler import DeepLabHandler, Recipe
from beam_deeplab.transforms.segmenting.inference import BATCH_PICTURES
from beam_deeplab.transforms.sources.reading import MAX_BYTES


def build_job(
    pipeline: beam.Pipeline,
    patterns: Sequence[str],
    output: str,
    recipe: Recipe,
    run: RunRecord,
    *,
    resume: bool = False,
    discard_damaged: bool = False,
    shard_size: int | None = None,
    max_file_bytes: int = MAX_BYTES,
    workers: int = 1,
    engine_threads: int | None = None,
    resource_hints: Mapping[str, str] | None = None,
    note: str = "",
) -> None:
    """Adds the whole job to a pipeline; its ``run.json`` stands in the output already.

    Without the ``note`` of who holds the output the job does not begin. Resource hints are put on
    all that reads, infers and writes: on one step of it they would break its fusion.
    """
    named = pipeline | "Patterns" >> beam.Create(list(patterns))
    if note:
        named = named | "Hold" >> beam.Map(pass_if_held, output, note, run.started)
    plan = named | PlanRun(
        output,
        run,
        Sharding(shard_size, workers, DeepLabHandler(recipe).batch_size(recipe.canvas)),
        resume,
        discard_damaged=discard_damaged,
    )
    # Who asks for small shards wants little lost by a death; a batch is then no larger.
    batch_pictures = min(BATCH_PICTURES, shard_size or BATCH_PICTURES)
    work = SegmentShards(output, recipe, run, engine_threads, max_file_bytes, batch_pictures)
    parts = plan.shards | work.with_resource_hints(**(resource_hints or {}))
    (parts, plan.summary) | CommitRun(output, run)
