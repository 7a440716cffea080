"""The job: patterns in, a committed output out. Wiring only."""

from __future__ import annotations

from collections.abc import Sequence

import apache_beam as beam

from transforms.committing import CommitRun
from transforms.handler import Recipe
from transforms.manifest import RunRecord
from transforms.segmenting import SegmentShards
from transforms.sources import PlanRun


def build_job(
    pipeline: beam.Pipeline,
    patterns: Sequence[str],
    output: str,
    recipe: Recipe,
    run: RunRecord,
    *,
    resume: bool = False,
    shard_size: int | None = None,
    workers: int = 1,
) -> None:
    """Adds the whole job to a pipeline.

    Args:
        pipeline: An empty pipeline.
        patterns: What to read: globs, paths, folders, manifests.
        output: The output folder, in which ``run.json`` stands already.
        recipe: What decides the masks.
        run: What ``run.json`` says.
        resume: Whether to build on what stands in the output.
        shard_size: Images a shard; None for what suits the run.
        workers: How many workers share the run.
    """
    plan = (
        pipeline
        | "Patterns" >> beam.Create(list(patterns))
        | PlanRun(output, run.fingerprint, resume, shard_size, workers)
    )
    parts = plan.shards | SegmentShards(output, recipe, run.part_metadata())
    (parts, plan.summary) | CommitRun(output, run)
