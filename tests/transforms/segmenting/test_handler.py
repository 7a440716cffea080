"""The handler inside RunInference: batches, barriers and failures in one collection."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import apache_beam as beam
import numpy as np
import pytest
from apache_beam.ml.inference.base import KeyedModelHandler, RunInference
from apache_beam.testing.util import assert_that, equal_to

from beam_deeplab.deeplab.engines import EngineChoice, EngineError, has_gpu
from beam_deeplab.transforms.geometry import Canvas
from beam_deeplab.transforms.records import (
    BatchBarrier,
    DecodedImage,
    Failure,
    ImageRef,
    LogitsGrid,
    Original,
)
from beam_deeplab.transforms.segmenting import handler
from beam_deeplab.transforms.segmenting.handler import DeepLabHandler, Recipe
from beam_deeplab.transforms.segmenting.inference import assemble_batch
from tests.pipeline.test_job import MODEL
from tests.rows import failure
from tests.transforms.segmenting.test_inference import RecordingEngine

RECIPE = Recipe(MODEL, Canvas(17, 33))

Row = DecodedImage | Failure | BatchBarrier


def _picture(name: str) -> DecodedImage:
    return DecodedImage(ImageRef(name), np.zeros((4, 5, 3), np.uint8), Original(4, 5))


def _name(row: LogitsGrid | Failure | BatchBarrier) -> str:
    return "|" if isinstance(row, BatchBarrier) else row.ref.uri


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> RecordingEngine:
    engine = RecordingEngine()
    monkeypatch.setattr(handler, "load_engine", lambda *_, **__: engine)
    return engine


def _run(rows: list[Row], batch_size: int) -> None:
    """Through Beam's RunInference, all rows in one bundle."""
    with beam.Pipeline(runner="FnApiRunner") as pipeline:
        names = (
            pipeline
            | beam.Create([rows])
            | beam.FlatMap(lambda whole: whole)
            | RunInference(DeepLabHandler(RECIPE, batch_pixels=batch_size * 17 * 33))
            | beam.Map(_name)
        )
        expected = ["|" if isinstance(row, BatchBarrier) else row.ref.uri for row in rows]
        assert_that(names, equal_to(expected))


def test_failures_take_no_room_in_a_batch(engine: RecordingEngine) -> None:
    pictures = [_picture(str(i)) for i in range(8)]
    bad = [failure(ImageRef(f"bad{i}")) for i in range(5)]
    _run([pictures[0], *bad, *pictures[1:]], batch_size=4)
    assert engine.batches == [4, 4]


def test_a_barrier_ends_a_batch(engine: RecordingEngine) -> None:
    rows: list[Row] = []
    for index in range(3):
        rows += [_picture(str(index)), BatchBarrier()]
    _run([*rows, _picture("a"), _picture("b")], batch_size=4)
    assert engine.batches == [1, 1, 1, 2]


def test_bytes_are_those_of_pixels(tmp_path: Path) -> None:
    rows: list[Row] = [_picture("a"), failure(ImageRef("b")), BatchBarrier(), _picture("c")]
    assert DeepLabHandler(RECIPE).get_num_bytes(rows) == 2 * 4 * 5 * 3


def test_a_canvas_beyond_the_budget_is_a_batch_of_its_own(engine: RecordingEngine) -> None:
    with beam.Pipeline(runner="FnApiRunner") as pipeline:
        pictures = pipeline | beam.Create([[_picture(name) for name in "abc"]])
        single = beam.FlatMap(lambda whole: whole)
        pictures | single | RunInference(DeepLabHandler(RECIPE, batch_pixels=100))
    assert engine.batches == [1, 1, 1]


def test_a_batch_of_small_canvases_is_bounded_in_pictures(engine: RecordingEngine) -> None:
    with beam.Pipeline(runner="FnApiRunner") as pipeline:
        pictures = pipeline | beam.Create([[_picture(str(index)) for index in range(150)]])
        single = beam.FlatMap(lambda whole: whole)
        pictures | single | RunInference(DeepLabHandler(RECIPE))
    assert engine.batches == [64, 64, 22]


def _batches_of(recipe: Recipe, pictures: int, batch_pixels: int) -> None:
    with beam.Pipeline(runner="FnApiRunner") as pipeline:
        whole = pipeline | beam.Create([[_picture(str(index)) for index in range(pictures)]])
        single = beam.FlatMap(lambda rows: rows)
        whole | single | RunInference(DeepLabHandler(recipe, batch_pixels=batch_pixels))


def test_a_batch_counts_the_pixels_of_the_largest_scale(engine: RecordingEngine) -> None:
    recipe = replace(RECIPE, eval_scales=(0.5, 1.0, 2.0))
    _batches_of(recipe, pictures=8, batch_pixels=4 * 33 * 65)
    assert engine.batches == [4] * 6


def test_smaller_scales_alone_make_no_larger_batches(engine: RecordingEngine) -> None:
    recipe = replace(RECIPE, eval_scales=(0.5,), flip=True)
    _batches_of(recipe, pictures=8, batch_pixels=4 * 17 * 33)
    assert engine.batches == [4] * 4


def test_one_plain_scale_is_the_plain_path(engine: RecordingEngine) -> None:
    infer = DeepLabHandler(replace(RECIPE, eval_scales=(1.0,))).load_model()
    pictures = [_picture("a"), _picture("b")]
    plain = engine(assemble_batch(pictures, RECIPE.canvas))
    for row, logits in zip(infer(pictures), plain, strict=True):
        assert isinstance(row, LogitsGrid)
        np.testing.assert_array_equal(row.logits, logits)


def test_a_batch_that_is_too_large_at_one_scale_is_halved(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sizes: list[tuple[int, int]] = []

    def load(model: object, size: tuple[int, int], *_: object, **__: object) -> RecordingEngine:
        def fail(values: np.ndarray) -> None:
            sizes.append((size[0], len(values)))
            if size[0] == 33 and len(values) > 2:
                raise MemoryError

        return RecordingEngine(fail)

    monkeypatch.setattr(handler, "load_engine", load)
    infer = DeepLabHandler(replace(RECIPE, eval_scales=(1.0, 2.0))).load_model()
    for _ in range(2):
        rows = infer([_picture(str(index)) for index in range(4)])
        assert [row.ref.uri for row in rows if isinstance(row, LogitsGrid)] == list("0123")
    assert infer._limit == 2
    assert sizes.count((33, 4)) == 1


def test_keys_go_along(engine: RecordingEngine) -> None:
    rows: list[Row] = [*(_picture(str(i)) for i in range(6)), failure(ImageRef("bad"))]
    with beam.Pipeline(runner="FnApiRunner") as pipeline:
        answers = (
            pipeline
            | beam.Create([rows])
            | beam.FlatMap(lambda whole: [(f"key {row.ref.uri}", row) for row in whole])
            | RunInference(KeyedModelHandler(DeepLabHandler(RECIPE, batch_pixels=2 * 17 * 33)))
            | beam.MapTuple(lambda key, row: (key, _name(row)))
        )
        expected = [(f"key {_name(row)}", _name(row)) for row in rows]  # type: ignore[arg-type]
        assert_that(answers, equal_to(expected))
    assert engine.batches == [2, 2, 2]


def test_a_worker_that_was_to_have_a_gpu_fails_without(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    has_gpu.cache_clear()
    recipe = replace(RECIPE, engine=EngineChoice("tensorflow", "f32", needs_gpu=True))
    with pytest.raises(EngineError, match=r"was to have a GPU.*--allow_cpu"):
        DeepLabHandler(recipe).load_model()
    has_gpu.cache_clear()


_SICK_WORKER = """
import logging
from beam_deeplab.transforms.segmenting.inference import DeviceLostError
from tests.transforms.segmenting.test_handler import RECIPE, DeepLabHandler

def infer(batch):
    raise DeviceLostError("the device has gone sick: ECC")

logging.basicConfig()
DeepLabHandler(RECIPE).run_inference([], infer)
"""


@pytest.mark.slow
@pytest.mark.parametrize("restarted", [True, False])
def test_a_sick_device_ends_a_process_that_is_started_again(
    restarted: bool,
) -> None:
    """Beam's boot program starts another one; elsewhere the error goes to the runner."""
    environment = {**os.environ, **({"SEMI_PERSISTENT_DIRECTORY": "/tmp"} if restarted else {})}
    done = subprocess.run(
        [sys.executable, "-c", _SICK_WORKER],
        check=False,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert "gone sick" in done.stderr
    assert ("Traceback" in done.stderr) != restarted
