"""Metrics: what a real pipeline's steps count and time is what comes out, once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import apache_beam as beam
import numpy as np
import pytest
from apache_beam.metrics import MetricsFilter
from apache_beam.ml.inference.base import ModelHandler, RunInference
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.runner import PipelineResult, PipelineState
from numpy.typing import NDArray

from beam_deeplab.transforms.geometry import Canvas
from beam_deeplab.transforms.metrics import (
    NAMESPACE,
    Spread,
    count,
    count_outcome,
    job_metrics,
    measured,
    record,
    timed,
    timed_each,
)
from beam_deeplab.transforms.records import DecodedImage, Failure, ImageRef, Original, Segmentation
from beam_deeplab.transforms.segmenting.inference import BatchInference
from tests.rows import failure, segmentation

CANVAS = Canvas(17, 33)


def _zeros(images: NDArray[np.float32]) -> NDArray[np.float32]:
    """Zero logits; raises where a picture is white."""
    if (images[:, 0, 0, 0] == 1).any():
        raise ValueError("white")
    return np.zeros((len(images), 3, 5, 2), np.float32)


class _Handler(ModelHandler[Any, Any, BatchInference]):
    def __init__(self, batch_size: int) -> None:
        super().__init__(min_batch_size=batch_size, max_batch_size=batch_size)

    def load_model(self) -> BatchInference:
        return BatchInference(lambda _: measured(_zeros), [CANVAS])

    def run_inference(
        self,
        batch: Sequence[Any],
        model: BatchInference,
        inference_args: Mapping[str, Any] | None = None,
    ) -> list[Any]:
        return list(model(batch))

    def get_metrics_namespace(self) -> str:
        return NAMESPACE


def _picture(value: int) -> DecodedImage:
    return DecodedImage(ImageRef(str(value)), np.full((4, 4, 3), value, np.uint8), Original(4, 4))


def _run(rows: Sequence[Any], step: beam.PTransform, **options: Any) -> PipelineResult:
    pipeline = beam.Pipeline(runner="FnApiRunner", options=PipelineOptions(**options))
    _ = pipeline | beam.Create(rows) | step
    result = pipeline.run()
    result.wait_until_finish()
    return result


def _spread(metrics: Mapping[str, int | Spread], name: str) -> Spread:
    spread = metrics[name]
    assert isinstance(spread, Spread)
    return spread


@timed("mask")
def _masked(number: int) -> int:
    if number == 3:
        raise ArithmeticError(number)
    return number


def _work(number: int) -> Iterator[int]:
    count("bytes_read", 10 * number)
    record("size", number)
    for item in timed_each("read", range(number)):
        with timed("decode"):
            pass
        yield item


@pytest.mark.parametrize("workers", [1, 2])
def test_what_steps_count_and_time_is_summed_over_bundles_and_steps(workers: int) -> None:
    again = beam.Reshuffle() | beam.Map(lambda number: count("bytes_read", number))
    metrics = job_metrics(
        _run(
            [1, 2, 3, 4],
            beam.FlatMap(_work) | again,
            direct_num_workers=workers,
            direct_running_mode="in_memory",
        )
    )
    assert metrics["bytes_read"] == 10 * (1 + 2 + 3 + 4) + (0 + 1 + 3 + 6)
    assert metrics["size"] == Spread(count=4, total=10, minimum=1, maximum=4)
    assert _spread(metrics, "read_microseconds").count == 10
    assert _spread(metrics, "decode_microseconds").count == 10
    assert list(metrics) == sorted(metrics)


def test_a_timed_function_counts_each_call_and_what_raises() -> None:
    def attempt(number: int) -> int:
        try:
            return _masked(number)
        except ArithmeticError:
            return -1

    metrics = job_metrics(_run([1, 2, 3], beam.Map(attempt)))
    assert _spread(metrics, "mask_microseconds").count == 3


class _Clock:
    """Time that passes only where somebody works."""

    now = 0

    def __call__(self) -> int:
        return self.now


_CLOCK = _Clock()


def _slow_items(number: int) -> Iterator[int]:
    for item in range(number):
        _CLOCK.now += 2_000_000
        yield item


def _consume(number: int) -> Iterator[int]:
    for item in timed_each("read", _slow_items(number)):
        with timed("mask"):
            _CLOCK.now += 7_000_000
        _CLOCK.now += 1_000_000_000
        yield item


def test_a_step_may_be_timed_where_the_pipeline_is_built() -> None:
    """What a pipeline is built of must survive pickling."""
    metrics = job_metrics(_run([1, 2], beam.Map(timed("decode")(lambda number: number))))
    assert _spread(metrics, "decode_microseconds").count == 2


def test_what_is_done_with_an_item_is_not_the_reader_s_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("beam_deeplab.transforms.metrics.time.perf_counter_ns", _CLOCK)
    assert job_metrics(_run([3], beam.FlatMap(_consume))) == {
        "mask_microseconds": Spread(3, 21_000, 7_000, 7_000),
        "read_microseconds": Spread(3, 6_000, 2_000, 2_000),
    }


def test_every_image_is_counted_by_how_it_ended() -> None:
    def outcome(number: int) -> Segmentation | Failure:
        ref = ImageRef(str(number))
        return failure(ref) if number % 3 == 0 else segmentation(ref)

    metrics = job_metrics(_run(range(10), beam.Map(outcome) | beam.Map(count_outcome)))
    assert metrics == {"images": 10, "masks": 6, "failures": 4, "failures_CORRUPT": 4}


def test_the_engine_s_batches_hold_pictures_alone_and_show_splits() -> None:
    """``RunInference`` says 2 batches of 4; the network has seen 3, then 2, 1, and 1 and 1."""
    bad = failure(ImageRef("bad"))
    rows = [_picture(1), bad, _picture(2), _picture(3), bad, _picture(4), _picture(255), bad]
    result = _run([0], beam.FlatMap(lambda _: rows) | RunInference(_Handler(batch_size=4)))
    metrics = job_metrics(result)
    assert metrics["engine_batch_size"] == Spread(
        count=4, total=3 + 2 + 1 + 1, minimum=1, maximum=3
    )
    assert _spread(metrics, "engine_microseconds").count == 4
    assert _spread(metrics, "inference_batch_latency_micro_secs").count == 2
    assert "inference_request_batch_size" not in metrics
    of_run_inference = result.metrics().query(
        MetricsFilter().with_namespace(NAMESPACE).with_name("inference_request_batch_size")
    )
    (batches,) = of_run_inference["distributions"]
    assert (batches.result.count, batches.result.sum) == (2, 8)


def test_outside_a_pipeline_nothing_happens() -> None:
    count("images")
    record("size", 1)
    with timed("read"):
        pass
    assert list(timed_each("read", "ab")) == ["a", "b"]
    assert job_metrics(_run([1], beam.Map(lambda number: number))) == {}


def test_a_runner_without_metrics_has_none() -> None:
    assert job_metrics(PipelineResult(PipelineState.DONE)) == {}


def test_mean_and_join() -> None:
    one, other = Spread(2, 10, 4, 6), Spread(1, 2, 2, 2)
    assert one.mean == 5
    assert one.joined(other) == other.joined(one) == Spread(3, 12, 2, 6)
