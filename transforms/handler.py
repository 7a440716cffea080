"""The network inside Beam's ``RunInference``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from apache_beam.ml.inference.base import ModelHandler

from deeplab.engines import load_engine
from deeplab.models import ModelSpec
from transforms.formats import DEFAULT_MAX_PIXELS
from transforms.geometry import Canvas
from transforms.inference import BatchInference, default_batch_size
from transforms.metrics import MeasuredEngine
from transforms.records import BatchBarrier, DecodedImage, Failure, LogitsGrid


@dataclass(frozen=True)
class Recipe:
    """Everything that decides which mask a file gets.

    Attributes:
        model: The network's weights, classes and palette.
        canvas: The network's input size.
        output_stride: Of the backbone, 8 or 16.
        max_pixels: Pictures that claim more pixels are refused before they are decoded.
    """

    model: ModelSpec
    canvas: Canvas
    output_stride: int = 16
    max_pixels: int = DEFAULT_MAX_PIXELS


Row = DecodedImage | Failure | BatchBarrier
Answer = LogitsGrid | Failure | BatchBarrier


def _batch_weight(row: Row, batch_size: int) -> int:
    """A barrier fills a batch, and a failure takes no room in it."""
    if isinstance(row, BatchBarrier):
        return batch_size
    return int(isinstance(row, DecodedImage))


class DeepLabHandler(ModelHandler[Row, Answer, BatchInference]):
    """Runs DeepLab inside Beam's ``RunInference``; failures pass through in place.

    Unlike the stock handlers it loses no batch to one bad image
    (:class:`transforms.inference.BatchInference`) and returns logits without the pixels.

    Args:
        recipe: What to run.
        batch_size: Pictures in a batch; None for what ordinary memory allows.
    """

    def __init__(self, recipe: Recipe, batch_size: int | None = None) -> None:
        size = batch_size or default_batch_size(recipe.canvas)
        super().__init__(
            min_batch_size=size,
            max_batch_size=size,
            element_size_fn=lambda row: _batch_weight(row, size),
        )
        self._recipe = recipe

    def load_model(self) -> BatchInference:
        """Loads the weights into an engine; once a process, its threads share it."""
        recipe = self._recipe
        engine = load_engine(
            recipe.model, (recipe.canvas.height, recipe.canvas.width), recipe.output_stride
        )
        return BatchInference(MeasuredEngine(engine), recipe.canvas)

    def run_inference(
        self,
        batch: Sequence[Row],
        model: BatchInference,
        inference_args: Mapping[str, Any] | None = None,
    ) -> Iterable[Answer]:
        """One row for each row of the batch, in order."""
        del inference_args  # the network takes none
        return model(batch)

    def get_num_bytes(self, batch: Sequence[Row]) -> int:
        """Bytes of pixels; the stock method would pickle the batch to learn its size."""
        return sum(row.pixels.nbytes for row in batch if isinstance(row, DecodedImage))

    def get_metrics_namespace(self) -> str:
        """The namespace of the batch-size and latency metrics."""
        return "beam_deeplab"
