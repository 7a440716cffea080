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
    """Adds the whole job to a pipeline.

    Args:
        pipeline: An empty pipeline.
        patterns: What to read: globs, paths, folders, manifests.
        output: The output folder, in which ``run.json`` stands already.
        recipe: What decides the masks.
        run: What ``run.json`` says.
        resume: Whether to build on what stands in the output.
        discard_damaged: Whether a resume gives up damaged parts that may hold images which are
            no longer among the inputs.
        shard_size: Images a shard; None for what suits the run.
        max_file_bytes: Files of more bytes are refused before they are read.
        workers: How many workers share the run.
        engine_threads: Cores that each process computes on; None for all that it sees.
        resource_hints: What the workers that read, infer and write must have. They are put on
            that whole composite: on one step of it they would break its fusion.
        note: Of who holds the output, without which the job does not begin; empty for nobody.
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
