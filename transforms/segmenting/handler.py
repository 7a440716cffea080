"""The network inside Beam's ``RunInference``."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from apache_beam.ml.inference.base import ModelHandler

from beam_deeplab.deeplab.engines import Engine, EngineChoice, check_gpu, choose_engine, load_engine
from beam_deeplab.deeplab.engines.multi_scale import MultiScaleEngine
from beam_deeplab.deeplab.engines.scales import PLAIN, scaled_canvas
from beam_deeplab.deeplab.models import ModelSpec
from beam_deeplab.transforms.decoding.options import DecodeOptions
from beam_deeplab.transforms.geometry import Canvas
from beam_deeplab.transforms.metrics import NAMESPACE, measured
from beam_deeplab.transforms.parquet.schemas import MASKS
from beam_deeplab.transforms.records import BatchBarrier, DecodedImage
from beam_deeplab.transforms.runs import attempts
from beam_deeplab.transforms.runs.solitude import beside_others
from beam_deeplab.transforms.segmenting.buckets import bucket_for, canvas_buckets
from beam_deeplab.transforms.segmenting.inference import (
    BATCH_PICTURES,
    BATCH_PIXELS,
    Answer,
    BatchInference,
    DeviceLostError,
    Images,
    Row,
)


@dataclass(frozen=True)
class Recipe:
    """Everything that decides which mask a file gets.

    Attributes:
        dataset: What is made of images.
        model: The network's weights, classes and palette.
        canvas: What pictures are reduced to fit into.
        output_stride: Of the backbone, 8 or 16.
        engine: What computes the logits, and at which precision.
        bucketed: Whether pictures are padded to the smallest bucket that holds them
            (:mod:`transforms.segmenting.buckets`) instead of to the whole canvas.
        decoding: How files are decoded.
        eval_scales: Factors on the canvas's sides, ascending
            (:func:`deeplab.engines.checked_scales`): the network is asked at each, and the mean of
            its probabilities counts.
        flip: Whether it is asked about the mirror image too.
        ignore_below: Pixels whose label has a smaller probability become 255, 0 to 1.
    """

    dataset: ClassVar[str] = MASKS

    model: ModelSpec
    canvas: Canvas
    output_stride: int = 16
    engine: EngineChoice = field(default_factory=choose_engine)
    bucketed: bool = False
    decoding: DecodeOptions = field(default_factory=DecodeOptions)
    eval_scales: tuple[float, ...] = PLAIN
    flip: bool = False
    ignore_below: float = 0.0

    @property
    def buckets(self) -> tuple[Canvas, ...]:
        """The network's input sizes, smallest first."""
        if self.bucketed:
            return canvas_buckets(self.canvas, self.output_stride)
        return (self.canvas,)

    @property
    def network_sizes(self) -> tuple[tuple[int, int], ...]:
        """Every (height, width) that the network may be loaded for, each once."""
        sizes = [
            scaled_canvas((bucket.height, bucket.width), scale, self.output_stride)
            for bucket in self.buckets
            for scale in self.eval_scales
        ]
        return tuple(dict.fromkeys(sizes))

    @property
    def averaged(self) -> bool:
        """Whether the network is asked more than once about a picture, or at another size."""
        return self.flip or self.eval_scales != PLAIN

    def network_pixels(self, canvas: Canvas) -> int:
        """The most pixels that the network sees at once of a picture on a canvas."""
        size = (canvas.height, canvas.width)
        scaled = [scaled_canvas(size, scale, self.output_stride) for scale in self.eval_scales]
        return max(canvas.height * canvas.width, *(height * width for height, width in scaled))


_LOGGER = logging.getLogger(__name__)


def _batch_weight(
    element: Row | tuple[Any, Row], budget: int, weights: Mapping[Canvas, int]
) -> int:
    """What a row takes of a batch: a barrier fills it, and what only passes takes no room.

    Beam's ``KeyedModelHandler`` asks about the row together with its key.
    """
    row = element[1] if isinstance(element, tuple) else element
    if isinstance(row, BatchBarrier):
        # More than a batch holds: what comes before it leaves, also where that weighs nothing.
        return budget + 1
    if not isinstance(row, DecodedImage):
        return 0
    height, width, _ = row.pixels.shape
    return weights[bucket_for(height, width, tuple(weights))]


def _picture_weight(pixels: int, budget: int, most: int) -> int:
    """What a picture takes of a batch's budget of pixels, at least 1 and at most all of it.

    Small canvases count for more than they are, or a batch would hold many shards in flight.
    """
    return min(max(pixels, budget // most, 1), budget)


def _is_restarted() -> bool:
    """Whether Beam's boot program has started this process, and will start another after it."""
    return "SEMI_PERSISTENT_DIRECTORY" in os.environ


class DeepLabHandler(ModelHandler[Row, Answer, BatchInference]):
    """Runs DeepLab inside Beam's ``RunInference``; failures pass through in place.

    Unlike the stock handlers it loses no batch to one bad image
    (:class:`transforms.segmenting.inference.BatchInference`) and returns logits without the pixels.

    Args:
        recipe: What to run.
        engine_threads: Cores that each process computes on; None for all that it sees.
        batch_pixels: Pixels in a batch that the network sees at once.
        batch_pictures: Pictures in a batch, however small their canvas.
    """

    def __init__(
        self,
        recipe: Recipe,
        engine_threads: int | None = None,
        batch_pixels: int = BATCH_PIXELS,
        batch_pictures: int = BATCH_PICTURES,
    ) -> None:
        weights = {
            bucket: _picture_weight(recipe.network_pixels(bucket), batch_pixels, batch_pictures)
            for bucket in recipe.buckets
        }
        super().__init__(
            min_batch_size=batch_pixels,
            max_batch_size=batch_pixels,
            element_size_fn=lambda row: _batch_weight(row, batch_pixels, weights),
        )
        self._recipe = recipe
        self._engine_threads = engine_threads
        self._batch_pixels = batch_pixels
        self._weights = weights

    def batch_size(self, canvas: Canvas) -> int:
        """How many pictures on a canvas, one of the recipe's buckets, make a batch."""
        return self._batch_pixels // self._weights[canvas]

    def load_model(self) -> BatchInference:
        """Loads the weights; once a process, its threads share it.

        Of several buckets each loads when it is first met: most runs meet a few.

        Raises:
            EngineError: The recipe wants a GPU, and there is none.
        """
        if self._recipe.engine.needs_gpu:
            check_gpu()
        buckets = self._recipe.buckets
        infer = BatchInference(self._load, buckets)
        if len(buckets) == 1:
            infer.engine_for(buckets[0])
        return infer

    def _load(self, canvas: Canvas) -> Callable[[Images], Images]:
        recipe = self._recipe

        def load(size: tuple[int, int]) -> Engine:
            return load_engine(
                recipe.model,
                size,
                recipe.output_stride,
                recipe.engine.name,
                recipe.engine.precision,
                threads=self._engine_threads,
                batch_size=self.batch_size(canvas),
            )

        size = (canvas.height, canvas.width)
        if not recipe.averaged:
            return measured(load(size))
        return measured(
            MultiScaleEngine(load, size, recipe.output_stride, recipe.eval_scales, flip=recipe.flip)
        )

    def run_inference(
        self,
        batch: Sequence[Row],
        model: BatchInference,
        inference_args: Mapping[str, Any] | None = None,
    ) -> Iterable[Answer]:
        """One row for each row of the batch, in order.

        Raises:
            BrokenEngineError: The engine fails for all pictures, or its device has gone sick. A
                process that Beam's boot program watches over ends in the latter case: only a new
                one can use the device again.
        """
        del inference_args  # the network takes none
        try:
            with beside_others():
                return model(batch)
        except DeviceLostError as error:
            if _is_restarted():
                _LOGGER.critical("This worker ends: %s", error)
                attempts.let_go()
                logging.shutdown()
                os._exit(1)
            raise

    def get_num_bytes(self, batch: Sequence[Row]) -> int:
        """Bytes of pixels; the stock method would pickle the batch to learn its size."""
        return sum(row.pixels.nbytes for row in batch if isinstance(row, DecodedImage))

    def get_metrics_namespace(self) -> str:
        """The namespace of the batch-size and latency metrics."""
        return NAMESPACE
