"""Pictures -> logits in batches, where one bad picture costs itself and never its neighbours."""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Callable, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from beam_deeplab.transforms.geometry import Canvas
from beam_deeplab.transforms.parquet.parts import Result
from beam_deeplab.transforms.records import (
    BatchBarrier,
    DecodedImage,
    Failure,
    FailureCode,
    LogitsGrid,
    Part,
    Stage,
)
from beam_deeplab.transforms.segmenting.buckets import bucket_for

_LOGGER = logging.getLogger(__name__)

_OUT_OF_MEMORY = re.compile(
    r"resource_?exhausted|out of memory|out_of_(memory|resources)|out of gpu resources"
    r"|mem(ory)?_object_allocation_failure|exceeded max size of memory object allocation"
    r"|status_alloc_failed|bad_alloc"
)
"""How TensorFlow, CUDA and OpenVINO word it, in lower case."""

_DEVICE_LOST = re.compile(
    r"illegal (memory access|address|instruction)|device-side assert|launch (failure|timed out)"
    r"|misaligned address|hardware stack error|ecc error|fallen off the bus"
    r"|(device|gpu)[ _](is |was |has been )?(lost|removed|reset|hung|unavailable)"
    r"|device_not_available"
    r"|(cudnn|cublas|cusolver|cusparse|cufft|miopen|rocblas|hipblas)_?status_?"
    r"(internal_?error|execution_?failed|mapping_?error|not_?initialized)"
    r"|(cuda|hip)_?error_?(illegal|launch|misaligned|hardware|ecc|assert|device|devices|no_?device"
    r"|unknown|not_?initialized|deinitialized|context|contained|external|mps|tensor_memory"
    r"|invalid_?(address|pc|context)|system_not_ready)"
    r"|failed call to cuinit|hsa_status_error|ze_result_error_device"
)
"""How the drivers and libraries of GPUs say, in lower case, that nothing will work any more."""

FAILED_IN_A_ROW = 32
"""After so many pictures that all failed, over at least two batches, it is not the pictures."""

BATCH_PIXELS = 8 * 513 * 513
"""Pixels in a batch that the network sees at once: 8 pictures at the size of PASCAL VOC, 1 at that
of Cityscapes. Their activations fit an ordinary worker's memory."""

BATCH_PICTURES = 64
"""Pictures in a batch, however small the canvas."""

_NORMALISED = np.arange(256, dtype=np.float32) * np.float32(2 / 255) - np.float32(1)
"""What the network takes a sample for; looked up in half the time that computing it takes."""

Images = NDArray[np.float32]
Row = DecodedImage | Failure | Result | BatchBarrier | Part
Answer = LogitsGrid | Failure | Result | BatchBarrier | Part


def assemble_batch(pictures: Sequence[DecodedImage], canvas: Canvas) -> NDArray[np.float32]:
    """Normalises pictures and pads them to the canvas that each fits, content at the top left.

    The official export graph pads with the mean 127.5 and then computes 2/255 x - 1, so
    padding is exactly 0 (research/deeplab/core/feature_extractor.py, export_model.py).

    Returns:
        float32 of shape [pictures, canvas height, canvas width, 3], in [-1, 1].
    """
    batch = np.zeros((len(pictures), canvas.height, canvas.width, 3), np.float32)
    for image, picture in zip(batch, pictures, strict=True):
        height, width, _ = picture.pixels.shape
        cv2.LUT(picture.pixels, _NORMALISED, dst=image[:height, :width])
    return batch


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an engine's exception means that the batch was too large for the device."""
    return isinstance(error, MemoryError) or _is_worded(error, _OUT_OF_MEMORY)


def is_device_lost(error: BaseException) -> bool:
    """Whether an engine's exception means that its device is of no use to this process any more."""
    return _is_worded(error, _DEVICE_LOST)


def _is_worded(error: BaseException, words: re.Pattern[str]) -> bool:
    return words.search(f"{type(error).__name__}: {error}".lower()) is not None


class BrokenEngineError(RuntimeError):
    """It is the engine that fails, and no picture's fault; what was begun is to be done again."""


class DeviceLostError(BrokenEngineError):
    """The device has gone sick: only another process, or another machine, can go on."""


class BatchInference:
    """Engines, one a bucket, and the batch size that their memory has shown to allow.

    Threads share it; what one learns about memory holds for all.

    Args:
        load: Gives the engine (:class:`deeplab.engines.Engine`) of a canvas; called once for
            each that is met.
        buckets: The canvases that pictures are padded to, smallest first.
    """

    def __init__(
        self, load: Callable[[Canvas], Callable[[Images], Images]], buckets: Sequence[Canvas]
    ) -> None:
        self._load = load
        self._buckets = tuple(buckets)
        self._engines: dict[Canvas, Callable[[Images], Images]] = {}
        self._limit: int | None = None
        self._failed_pictures = self._failed_batches = 0
        self._lock = threading.Lock()

    def engine_for(self, canvas: Canvas) -> Callable[[Images], Images]:
        """The engine of a bucket, loaded when it is first asked for.

        What loading raises is nobody's picture's fault, and is raised.
        """
        with self._lock:
            if canvas not in self._engines:
                self._engines[canvas] = self._load(canvas)
            return self._engines[canvas]

    def __call__(self, rows: Sequence[Row]) -> list[Answer]:
        """Infers the pictures among the rows; all others pass in place.

        A batch that raises is split until the guilty picture is alone, and that one alone
        becomes ``INFERENCE_ERROR``. Out of memory halves the batch from then on. Logits that
        are not finite become ``NON_FINITE`` for their picture.

        Raises:
            DeviceLostError: The device has gone sick.
            BrokenEngineError: No picture has come through for :data:`FAILED_IN_A_ROW`.
        """
        answers: dict[int, Answer] = {}
        by_canvas: dict[Canvas, dict[int, DecodedImage]] = {}
        for place, row in enumerate(rows):
            if isinstance(row, DecodedImage):
                height, width, _ = row.pixels.shape
                by_canvas.setdefault(bucket_for(height, width, self._buckets), {})[place] = row
            else:
                answers[place] = row
        for canvas, pictures in by_canvas.items():
            inferred = self._infer(list(pictures.values()), canvas)
            self._check_engine(inferred)
            answers.update(zip(pictures, inferred, strict=True))
        return [answers[place] for place in range(len(rows))]

    def _infer(
        self, pictures: Sequence[DecodedImage], canvas: Canvas
    ) -> list[LogitsGrid | Failure]:
        limit = self._limit or len(pictures)
        if len(pictures) > limit:
            chunks = [pictures[i : i + limit] for i in range(0, len(pictures), limit)]
            return [row for chunk in chunks for row in self._infer(chunk, canvas)]
        engine = self.engine_for(canvas)
        try:
            logits = engine(assemble_batch(pictures, canvas))
        except Exception as error:
            if not is_out_of_memory(error) and is_device_lost(error):
                raise DeviceLostError(f"the device has gone sick: {_one_line(error)}") from error
            if len(pictures) == 1:
                return [_failure(pictures[0], FailureCode.INFERENCE_ERROR, _one_line(error))]
            half = (len(pictures) + 1) // 2
            if is_out_of_memory(error):
                self._learn_limit(len(pictures) // 2, error)
            return [*self._infer(pictures[:half], canvas), *self._infer(pictures[half:], canvas)]
        return [
            _to_row(picture, grid, canvas) for picture, grid in zip(pictures, logits, strict=True)
        ]

    def _check_engine(self, rows: Sequence[LogitsGrid | Failure]) -> None:
        """Stops at an engine that fails for all, before it fails a whole collection."""
        failures = [row for row in rows if isinstance(row, Failure)]
        with self._lock:
            if len(failures) < len(rows):
                self._failed_pictures = self._failed_batches = 0
                return
            self._failed_pictures += len(failures)
            self._failed_batches += 1
            pictures, batches = self._failed_pictures, self._failed_batches
        if pictures >= FAILED_IN_A_ROW and batches > 1:
            raise BrokenEngineError(
                f"the engine has failed for the last {pictures} pictures: {failures[-1].message}"
            )

    def _learn_limit(self, limit: int, error: Exception) -> None:
        with self._lock:
            first = self._limit is None
            self._limit = min(limit, self._limit or limit)
        if first:
            _LOGGER.warning("Out of memory: smaller batches from now on (%s)", _one_line(error))


def _to_row(
    picture: DecodedImage, logits: NDArray[np.float32], canvas: Canvas
) -> LogitsGrid | Failure:
    if not np.isfinite(logits).all():
        return _failure(picture, FailureCode.NON_FINITE, "the logits hold NaN or infinity")
    height, width, _ = picture.pixels.shape
    return LogitsGrid(
        ref=picture.ref,
        logits=logits,
        stride=_stride(canvas, logits.shape[:2]),
        content_height=height,
        content_width=width,
        original=picture.original,
        slot=picture.slot,
        data=picture.data,
    )


def _stride(canvas: Canvas, grid: tuple[int, ...]) -> int:
    """Canvas pixels between grid points; a side of one point does not tell."""
    sides = zip((canvas.height, canvas.width), grid, strict=True)
    return max([1, *((side - 1) // (points - 1) for side, points in sides if points > 1)])


def _failure(picture: DecodedImage, code: FailureCode, message: str) -> Failure:
    return Failure(picture.ref, Stage.INFER, code, message, picture.slot)


def _one_line(error: BaseException, length: int = 300) -> str:
    text = " ".join(f"{type(error).__name__}: {error}".split())
    return text if len(text) <= length else text[: length - 1] + "…"
