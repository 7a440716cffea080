"""The job: patterns in, a committed output out. Wiring only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import apache_beam as beam

from beam_deeplab.pipeline.options import SegmentOptions
from beam_deeplab.pipeline.workers import engine_threads, worker_count
from beam_deeplab.transforms.parquet.schemas import MASKS, RENDERS
from beam_deeplab.transforms.rendering.composites import MAX_SHARD_SIZE, RenderShards
from beam_deeplab.transforms.runs.committing import CommitRun
from beam_deeplab.transforms.runs.manifest import RunRecord
from beam_deeplab.transforms.runs.planning import PlanRun
from beam_deeplab.transforms.runs.sharding import MAX_DEFAULT_SHARD_SIZE, Sharding
from beam_deeplab.transforms.runs.writer import pass_if_held
from beam_deeplab.transforms.segmenting.composites import SegmentShards
from beam_deeplab.transforms.segmenting.handler import DeepLabHandler, Recipe
from beam_deeplab.transforms.segmenting.inference import BATCH_PICTURES

_WORK: Final[Mapping[str, tuple[Any, int]]] = {
    MASKS: (SegmentShards, MAX_DEFAULT_SHARD_SIZE),
    RENDERS: (RenderShards, MAX_SHARD_SIZE),
}
"""By what is made of images, what makes it, and how many images share a shard at most."""


def build_job(
    pipeline: beam.Pipeline, options: SegmentOptions, recipe: Recipe, run: RunRecord, note: str = ""
) -> None:
    """Adds the whole job to a pipeline; ``run.json`` stands in the output already.

    Without the ``note`` of who holds the output the job does not begin. Resource hints are put on
    all that reads, infers and writes: on one step of it they would break its fusion.
    """
    output, shard_size = options.output, options.shard_size
    work_on, most = _WORK[recipe.dataset]
    workers = worker_count(pipeline.options)
    threads = options.job.engine_threads or engine_threads(pipeline.options)
    named = pipeline | "Patterns" >> beam.Create(list(options.input))
    if note:
        named = named | "Hold" >> beam.Map(pass_if_held, output, note, run.started)
    plan = named | PlanRun(
        output,
        run,
        Sharding(shard_size, workers, DeepLabHandler(recipe).batch_size(recipe.canvas), most),
        options.resume,
        discard_damaged=options.discard_damaged,
    )
    # Who asks for small shards wants little lost by a death; a batch is then no larger.
    batch_pictures = min(BATCH_PICTURES, shard_size or BATCH_PICTURES)
    work = work_on(output, recipe, run, threads, options.max_file_bytes, batch_pictures)
    parts = plan.shards | work.with_resource_hints(**options.job.resource_hints())
    (parts, plan.summary) | CommitRun(output, run)
