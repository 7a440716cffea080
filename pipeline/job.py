"""The jobs: patterns in, a committed output out. Wiring only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import apache_beam as beam

from beam_deeplab.transforms import storage
from beam_deeplab.transforms.evaluating.committing import CommitEvaluation
from beam_deeplab.transforms.evaluating.composites import ScoreShards, SumTallies
from beam_deeplab.transforms.evaluating.pair_sources import Source
from beam_deeplab.transforms.evaluating.planning import PlanPairs
from beam_deeplab.transforms.evaluating.score_parts import FOLDER
from beam_deeplab.transforms.evaluating.scoring import TruthRule
from beam_deeplab.transforms.runs.committing import CommitRun
from beam_deeplab.transforms.runs.manifest import RunRecord
from beam_deeplab.transforms.runs.planning import PlanRun
from beam_deeplab.transforms.segmenting.composites import SegmentShards
from beam_deeplab.transforms.segmenting.handler import Recipe


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
    engine_threads: int | None = None,
    resource_hints: Mapping[str, str] | None = None,
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
        engine_threads: Cores that each process computes on; None for all that it sees.
        resource_hints: What the workers that read, infer and write must have. They are put on
            that whole composite: on one step of it they would break its fusion.
    """
    plan = (
        pipeline
        | "Patterns" >> beam.Create(list(patterns))
        | PlanRun(output, run.fingerprint, resume, shard_size, workers)
    )
    work = SegmentShards(output, recipe, run.part_metadata(), engine_threads)
    parts = plan.shards | work.with_resource_hints(**(resource_hints or {}))
    (parts, plan.summary) | CommitRun(output, run)


def build_evaluation(
    pipeline: beam.Pipeline,
    sources: Sequence[Source],
    output: str,
    rule: TruthRule,
    run: RunRecord,
    *,
    recipe: Recipe | None = None,
    workers: int = 1,
    engine_threads: int | None = None,
    resource_hints: Mapping[str, str] | None = None,
) -> None:
    """Adds the whole job of an evaluation to a pipeline.

    Args:
        pipeline: An empty pipeline.
        sources: What to read: images and truths, or pairs, or an earlier run's masks and truths.
        output: The output folder.
        rule: How truth files are understood.
        run: What is to be done.
        recipe: What makes the masks; None to score those of an earlier run.
        workers: How many workers share the run.
        engine_threads: Cores that each process computes on; None for all that it sees.
        resource_hints: What the workers that read, infer and score must have.
    """
    folder = storage.join(output, FOLDER)
    plan = (
        pipeline
        | "Sources" >> beam.Create(list(sources))
        | PlanPairs(folder, run.run_id, workers=workers)
    )
    work = ScoreShards(folder, rule, recipe, engine_threads)
    shards = plan.shards | work.with_resource_hints(**(resource_hints or {}))
    tally = (
        shards
        | "Tallies" >> beam.Map(lambda shard: shard.tally)
        | "Sum" >> beam.CombineGlobally(SumTallies(len(rule.labels)))
    )
    (shards, plan.summary, tally) | CommitEvaluation(output, run)
