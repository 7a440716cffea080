"""The job's shape, read from the runner's own fused pipeline."""

from __future__ import annotations

from pathlib import Path

import apache_beam as beam
import pytest
from apache_beam.runners.portability.fn_api_runner.fn_runner import FnApiRunner

from beam_deeplab.deeplab.architecture import DeepLabConfig
from beam_deeplab.deeplab.labels import VOC
from beam_deeplab.deeplab.models import ModelSpec
from beam_deeplab.deeplab.truth import TruthRule
from beam_deeplab.pipeline.job import build_job
from beam_deeplab.pipeline.options import NetworkOptions, SegmentOptions
from beam_deeplab.transforms.evaluating.composites import ScoreRun
from beam_deeplab.transforms.geometry import Canvas
from beam_deeplab.transforms.rendering.composites import RenderRecipe
from beam_deeplab.transforms.runs.writer import NotHeldError
from beam_deeplab.transforms.segmenting.handler import Recipe
from tests.rows import RENDER_RUN, RUN

MODEL = ModelSpec("/nowhere", "0" * 64, DeepLabConfig("mobilenet_v2", 21), VOC, (513, 513))


def _options(folder: Path) -> SegmentOptions:
    return SegmentOptions(("*.jpg",), str(folder), NetworkOptions("m"))


@pytest.fixture
def stages(tmp_path: Path) -> list[list[str]]:
    """The names of the transforms of each fused stage."""
    pipeline = beam.Pipeline()
    build_job(pipeline, _options(tmp_path), Recipe(MODEL, Canvas(513, 513)), RUN)
    return _fused(pipeline)


def _fused(pipeline: beam.Pipeline) -> list[list[str]]:
    _, fused = FnApiRunner().create_stages(pipeline.to_runner_api())
    return [[transform.unique_name for transform in stage.transforms] for stage in fused]


def test_everything_from_the_reshuffle_to_the_part_is_one_stage(stages: list[list[str]]) -> None:
    (work,) = [names for names in stages if "SegmentShards/Read" in names]
    steps = [
        "SegmentShards/Read",
        "SegmentShards/SegmentEncoded/Decode",
        "SegmentShards/SegmentEncoded/Infer/BatchElements/ParDo(_GlobalWindowsBatchingDoFn)",
        "SegmentShards/SegmentEncoded/Infer/BeamML_RunInference",
        "SegmentShards/SegmentEncoded/Mask",
        "SegmentShards/WriteShards/ParDo(_WriteShardsFn)",
    ]
    assert [name for name in work if name in steps] == steps
    assert work[0].startswith("SegmentShards/Reshuffle")


def test_nothing_with_pixels_is_written_to_a_shuffle(stages: list[list[str]]) -> None:
    """Only listing, planning and part records cross one."""
    writing = [
        name
        for names in stages
        for name in names
        if name.startswith("SegmentShards") and "/Write" in name
    ]
    assert [name for name in writing if "Reshuffle" not in name] == [
        "SegmentShards/WriteShards/ParDo(_WriteShardsFn)"
    ]


def test_renders_are_made_in_one_stage_too(tmp_path: Path) -> None:
    pipeline = beam.Pipeline()
    recipe = RenderRecipe(MODEL, Canvas(513, 513), subject=(15,))
    build_job(pipeline, _options(tmp_path), recipe, RENDER_RUN)
    (work,) = [names for names in _fused(pipeline) if "RenderShards/Read" in names]
    steps = [
        "RenderShards/Read",
        "RenderShards/RenderEncoded/Decode",
        "RenderShards/RenderEncoded/Infer/BeamML_RunInference",
        "RenderShards/RenderEncoded/Render",
        "RenderShards/WriteShards/ParDo(_WriteShardsFn)",
    ]
    assert [name for name in work if name in steps] == steps


def test_a_job_that_does_not_hold_the_output_touches_nothing(tmp_path: Path) -> None:
    """Its launcher was lost, and another run has begun before the job has."""
    recipe = Recipe(MODEL, Canvas(513, 513))
    pipeline = beam.Pipeline()
    build_job(pipeline, _options(tmp_path), recipe, RUN, note="writer-1.json")
    with pytest.raises(NotHeldError, match="before the job began"):
        pipeline.run()
    assert list(tmp_path.iterdir()) == []


def test_the_commit_is_the_last_stage(stages: list[list[str]]) -> None:
    assert any("Commit" in name for name in stages[-1])


def test_an_evaluation_scores_in_the_stage_that_reads(tmp_path: Path) -> None:
    pipeline = beam.Pipeline()
    pipeline | ScoreRun("run", str(tmp_path), TruthRule(VOC), RUN)
    stages = _fused(pipeline)
    (work,) = [names for names in stages if "ScoreRun/Score" in names]
    assert work[0].startswith("ScoreRun/Reshuffle")
    # Of pixels only sums leave the stage.
    assert any("Sum" in name and "Precombine" in name for name in work)
    assert any("ScoreRun/Commit" in name for name in stages[-1])
