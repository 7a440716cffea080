"""Batches: one bad picture costs itself, memory is learnt once, failures pass in place."""

from __future__ import annotations

import logging
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from beam_deeplab.transforms.geometry import Canvas
from beam_deeplab.transforms.records import (
    BatchBarrier,
    DecodedImage,
    Failure,
    FailureCode,
    ImageRef,
    LogitsGrid,
    Original,
    Part,
    ShardSlot,
)
from beam_deeplab.transforms.segmenting.inference import (
    FAILED_IN_A_ROW,
    Answer,
    BatchInference,
    BrokenEngineError,
    DeviceLostError,
    assemble_batch,
    is_device_lost,
    is_out_of_memory,
)
from tests.rows import failure

CANVAS = Canvas(17, 33)
Images = NDArray[np.float32]


ORIGINAL = Original(100, 120, orientation=6, scale=0.1, truncated=True)


def _picture(value: int, height: int = 10, width: int = 12) -> DecodedImage:
    pixels = np.full((height, width, 3), value, np.uint8)
    return DecodedImage(ImageRef(f"{value}.jpg"), pixels, ORIGINAL, ShardSlot("0" * 16, value, 99))


class RecordingEngine:
    """An engine whose logits tell the picture's value; it fails as it is told."""

    def __init__(self, fail: Callable[[NDArray[np.int64]], None] = lambda values: None) -> None:
        self.batches: list[int] = []
        self._fail = fail

    def __call__(self, images: Images) -> Images:
        self.batches.append(len(images))
        values = np.rint((images[:, 0, 0, 0] + 1) * 127.5).astype(np.int64)
        self._fail(values)
        logits = np.zeros((len(images), 3, 5, 2), np.float32)
        logits[..., 0] = values[:, None, None]
        logits[values == 66] = np.nan
        return logits

    def close(self) -> None:
        pass


def _value(row: Answer) -> float:
    assert isinstance(row, LogitsGrid)
    return float(row.logits[0, 0, 0])


def _uri(row: Answer) -> str:
    assert not isinstance(row, BatchBarrier | Part)
    return row.ref.uri


def test_padding_is_zero_and_content_is_normalised_as_the_official_graph_does() -> None:
    pixels = np.arange(256, dtype=np.uint8).reshape(16, 16)
    picture = DecodedImage(ImageRef("a"), np.dstack([pixels] * 3), Original(16, 16))
    batch = assemble_batch([picture], CANVAS)
    assert batch.shape == (1, 17, 33, 3)
    assert batch.dtype == np.float32
    expected = np.float32(2 / 255) * pixels.astype(np.float32) - np.float32(1)
    np.testing.assert_array_equal(batch[0, :16, :16, 0], expected)
    assert not batch[0, 16:].any()
    assert not batch[0, :, 16:].any()


def test_rows_keep_order_place_and_geometry_and_failures_pass() -> None:
    bad = failure(ImageRef("bad"))
    rows = BatchInference(lambda _: RecordingEngine(), [CANVAS])(
        [_picture(1), bad, _picture(2, 17, 33)]
    )
    assert rows[1] is bad
    assert [_value(rows[0]), _value(rows[2])] == [1, 2]
    first = rows[0]
    assert isinstance(first, LogitsGrid)
    assert (first.stride, first.content_height, first.content_width) == (8, 10, 12)
    assert first.original == ORIGINAL
    assert first.slot == ShardSlot("0" * 16, 1, 99)


def test_failures_alone_need_no_engine() -> None:
    engine = RecordingEngine()
    bad = failure(ImageRef("bad"))
    assert BatchInference(lambda _: engine, [CANVAS])([bad, bad]) == [bad, bad]
    assert engine.batches == []


@pytest.mark.parametrize("guilty", range(16))
def test_one_guilty_picture_in_a_batch_of_16_costs_itself_only(guilty: int) -> None:
    def fail(values: NDArray[np.int64]) -> None:
        if guilty in values:
            raise ValueError("bad\nnumber")

    rows = BatchInference(lambda _: RecordingEngine(fail), [CANVAS])(
        [_picture(i) for i in range(16)]
    )
    assert [_uri(row) for row in rows] == [f"{i}.jpg" for i in range(16)]
    failed = [row for row in rows if isinstance(row, Failure)]
    assert [(row.ref.uri, row.code) for row in failed] == [
        (f"{guilty}.jpg", FailureCode.INFERENCE_ERROR)
    ]
    assert failed[0].message == "ValueError: bad number"
    assert failed[0].slot == ShardSlot("0" * 16, guilty, 99)
    assert [_value(row) for row in rows if row not in failed] == [
        i for i in range(16) if i != guilty
    ]


def test_memory_is_learnt_once_and_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    def fail(values: NDArray[np.int64]) -> None:
        if len(values) > 4:
            raise RuntimeError("CUDA_ERROR_OUT_OF_MEMORY: failed to allocate 2 GiB")

    engine = RecordingEngine(fail)
    infer = BatchInference(lambda _: engine, [CANVAS])
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            rows = infer([_picture(i) for i in range(16)])
            assert [_value(row) for row in rows] == list(range(16))
    assert [size for size in engine.batches if size > 4] == [16, 8]
    assert engine.batches[2:] == [4] * 12
    assert infer._limit == 4
    assert len(caplog.records) == 1


def test_a_picture_too_large_for_the_device_alone_is_a_failure() -> None:
    def fail(values: NDArray[np.int64]) -> None:
        raise MemoryError

    (row,) = BatchInference(lambda _: RecordingEngine(fail), [CANVAS])([_picture(1)])
    assert isinstance(row, Failure)
    assert row.code == FailureCode.INFERENCE_ERROR


def test_logits_that_are_not_finite_cost_their_picture_only() -> None:
    rows = BatchInference(lambda _: RecordingEngine(), [CANVAS])(
        [_picture(65), _picture(66), _picture(67)]
    )
    assert [isinstance(row, Failure) for row in rows] == [False, True, False]
    assert isinstance(rows[1], Failure)
    assert rows[1].code == FailureCode.NON_FINITE


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (MemoryError(), True),
        (RuntimeError("OOM when allocating tensor: RESOURCE_EXHAUSTED"), True),
        (RuntimeError("[GPU] out of GPU resources"), True),
        (RuntimeError("[GPU] Exceeded max size of memory object allocation"), True),
        (RuntimeError("CL_OUT_OF_RESOURCES"), True),
        (RuntimeError("std::bad_alloc"), True),
        (RuntimeError("Check 'shape' failed"), False),
    ],
)
def test_the_words_for_out_of_memory(error: Exception, expected: bool) -> None:
    assert is_out_of_memory(error) is expected


def test_each_bucket_has_an_engine_and_rows_keep_their_order() -> None:
    loaded: list[Canvas] = []
    shapes: list[tuple[int, ...]] = []

    def load(canvas: Canvas) -> Callable[[Images], Images]:
        loaded.append(canvas)
        engine = RecordingEngine()

        def infer(images: Images) -> Images:
            shapes.append(images.shape[:3])
            return engine(images)

        return infer

    narrow, wide = Canvas(17, 17), Canvas(17, 33)
    infer = BatchInference(load, [narrow, wide])
    sizes = [(10, 12), (10, 30), (17, 17), (9, 33)]
    rows = [_picture(index, *size) for index, size in enumerate(sizes)]
    for _ in range(2):
        assert [_value(row) for row in infer(rows)] == [0, 1, 2, 3]
    assert loaded == [narrow, wide]
    assert shapes == [(2, 17, 17), (2, 17, 33)] * 2


def test_an_engine_that_cannot_be_loaded_is_no_picture_s_fault() -> None:
    def load(canvas: Canvas) -> Callable[[Images], Images]:
        raise FileNotFoundError("the weights are gone")

    with pytest.raises(FileNotFoundError):
        BatchInference(load, [CANVAS])([_picture(1)])


def _refuse(values: NDArray[np.int64]) -> None:
    raise ValueError("no kernel for this")


@pytest.mark.parametrize("batch", [1, 8, 32, 40])
def test_an_engine_that_fails_for_all_stops_before_it_fails_the_collection(batch: int) -> None:
    infer = BatchInference(lambda _: RecordingEngine(_refuse), [CANVAS])
    failed = 0
    while failed + batch < FAILED_IN_A_ROW or not failed:
        failed += len(infer([_picture(1)] * batch))
    with pytest.raises(BrokenEngineError, match="ValueError: no kernel for this"):
        infer([_picture(1)] * batch)


def test_one_batch_of_bad_pictures_is_their_own_fault() -> None:
    infer = BatchInference(lambda _: RecordingEngine(_refuse), [CANVAS])
    rows = infer([_picture(1)] * 60)
    assert all(isinstance(row, Failure) for row in rows)


def test_a_picture_that_comes_through_clears_the_engine() -> None:
    def fail(values: NDArray[np.int64]) -> None:
        if (values != 7).any():
            raise ValueError("not seven")

    infer = BatchInference(lambda _: RecordingEngine(fail), [CANVAS])
    for _ in range(20):
        rows = infer([_picture(1)] * 7 + [_picture(7)])
        assert [isinstance(row, Failure) for row in rows] == [True] * 7 + [False]


def test_an_engine_that_answers_nothing_but_nan_is_broken_too() -> None:
    infer = BatchInference(lambda _: RecordingEngine(), [CANVAS])
    assert len(infer([_picture(66)] * 31)) == 31
    with pytest.raises(BrokenEngineError, match="NaN"):
        infer([_picture(66)])


@pytest.mark.parametrize(
    "words",
    [
        "CUDA error: an illegal memory access was encountered",
        "CUDA_ERROR_ILLEGAL_ADDRESS: an illegal memory access was encountered",
        "INTERNAL: CUDA_ERROR_LAUNCH_FAILED: unspecified launch failure",
        "CUDA error: device-side assert triggered",
        "cudaErrorECCUncorrectable: uncorrectable ECC error encountered",
        "DNN library: CUDNN_STATUS_EXECUTION_FAILED",
        "CUDNN_STATUS_INTERNAL_ERROR in tensorflow/stream_executor/cuda/cuda_dnn.cc",
        "CUBLAS_STATUS_EXECUTION_FAILED",
        "NVRM: Xid 79, GPU has fallen off the bus",
        "[GPU] CL_DEVICE_NOT_AVAILABLE",
        "ZE_RESULT_ERROR_DEVICE_LOST",
        "hipErrorIllegalAddress",
        "failed call to cuInit: CUDA_ERROR_UNKNOWN",
    ],
)
def test_a_device_that_has_gone_sick_is_nobody_s_row(words: str) -> None:
    def fail(values: NDArray[np.int64]) -> None:
        if len(values) < 4:
            raise AssertionError("asked again")
        raise RuntimeError(words)

    with pytest.raises(DeviceLostError):
        BatchInference(lambda _: RecordingEngine(fail), [CANVAS])([_picture(1)] * 4)


@pytest.mark.parametrize(
    "words",
    [
        "CUDA_ERROR_OUT_OF_MEMORY: out of memory",
        "CUDNN_STATUS_NOT_SUPPORTED",
        "CUDNN_STATUS_BAD_PARAM",
        "CUDA_ERROR_INVALID_VALUE: invalid argument",
        "Incompatible shapes: [1,513,513,3] vs. [1,513,513,4]",
    ],
)
def test_other_errors_say_nothing_of_the_device(words: str) -> None:
    assert not is_device_lost(RuntimeError(words))
