"""Segmentation as Beam transforms: thin wrappers that map the pure functions beside them.

Between reading and writing nothing may break fusion: no GroupByKey, side input, Flatten,
tagged output or hint on one step, or decoded pixels would cross a shuffle. So one collection
of a union flows, ``work | Failure``, and each step passes failures through.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeVar

import apache_beam as beam
from apache_beam.ml.inference.base import RunInference

from beam_deeplab.deeplab.engines import choose_engine
from beam_deeplab.deeplab.engines.scales import PLAIN, checked_scales
from beam_deeplab.deeplab.models import ModelSpec, inspect_model
from beam_deeplab.transforms import storage
from beam_deeplab.transforms.decoding.decode import decode_image
from beam_deeplab.transforms.decoding.options import DecodeOptions
from beam_deeplab.transforms.geometry import Canvas
from beam_deeplab.transforms.masks.label_maps import segment_logits
from beam_deeplab.transforms.metrics import count, count_outcome, timed, timed_each
from beam_deeplab.transforms.parquet.parts import Result
from beam_deeplab.transforms.parquet.schemas import MASKS
from beam_deeplab.transforms.records import (
    BatchBarrier,
    DecodedImage,
    EncodedImage,
    Failure,
    FailureCode,
    ImageRef,
    LogitsGrid,
    Part,
    Segmentation,
    Shard,
    Stage,
)
from beam_deeplab.transforms.runs import attempts
from beam_deeplab.transforms.runs.inventory import standing_parts
from beam_deeplab.transforms.runs.manifest import RunRecord
from beam_deeplab.transforms.runs.sharding import slots_of
from beam_deeplab.transforms.runs.solitude import beside_others
from beam_deeplab.transforms.runs.writing import WriteShards
from beam_deeplab.transforms.segmenting.handler import DeepLabHandler, Recipe
from beam_deeplab.transforms.segmenting.inference import BATCH_PICTURES
from beam_deeplab.transforms.sources.reading import MAX_BYTES, read_image, read_images

_LOGGER = logging.getLogger(__name__)

ResultT = TypeVar("ResultT")
WorkT = TypeVar("WorkT")

_CRASHED = "the process died while it worked on this image"


def only_for(
    kind: type[WorkT], function: Callable[..., ResultT | Failure], **options: Any
) -> Callable[[Any], Any]:
    """Makes a step that maps rows of one kind by a function, and hands all others on untouched.

    Those are failures of earlier steps, barriers, and what an earlier attempt has kept: rows, or
    the parts of a shard that stands whole.
    """

    def step(row: Any) -> Any:
        if not isinstance(row, kind):
            return row
        with beside_others():
            return function(row, **options)

    return step


@timed("mask")
def mask_image(grid: LogitsGrid, recipe: Recipe) -> Segmentation | Failure:
    """The mask of one image; an error costs that image only."""
    labels = recipe.model.labels
    try:
        return segment_logits(grid, labels.names, labels.palette_bytes(), recipe.ignore_below)
    except Exception as error:
        _LOGGER.exception("No mask for %s", grid.ref.uri)
        message = f"{type(error).__name__}: {error}"
        return Failure(grid.ref, Stage.MASK, FailureCode.INFERENCE_ERROR, message, slot=grid.slot)


@dataclass(eq=False)
class InferEncoded(beam.PTransform):
    """``EncodedImage | Failure`` -> ``LogitsGrid | Failure``, fused and in one piece."""

    recipe: Recipe
    engine_threads: int | None = None
    batch_pictures: int = BATCH_PICTURES
    keep_data: bool = False

    def expand(self, images: beam.PCollection) -> beam.PCollection:
        """Decodes and infers; with ``keep_data`` the files' bytes come along."""
        recipe = self.recipe
        decode = only_for(
            EncodedImage,
            timed("decode")(_decode_keeping if self.keep_data else decode_image),
            canvas=recipe.canvas,
            options=recipe.decoding,
        )
        handler = DeepLabHandler(recipe, self.engine_threads, batch_pictures=self.batch_pictures)
        return images | "Decode" >> beam.Map(decode) | "Infer" >> RunInference(handler)


def _decode_keeping(
    encoded: EncodedImage, canvas: Canvas, options: DecodeOptions
) -> DecodedImage | Failure:
    row = decode_image(encoded, canvas, options)
    return row if isinstance(row, Failure) else replace(row, data=encoded.data)


@dataclass(eq=False)
class SegmentEncoded(InferEncoded):
    """``EncodedImage | Failure`` -> ``Segmentation | Failure``, fused and in one piece."""

    def expand(self, images: beam.PCollection) -> beam.PCollection:
        """Decodes, infers and masks."""
        mask = only_for(LogitsGrid, mask_image, recipe=self.recipe)
        return super().expand(images) | "Mask" >> beam.Map(mask)


ReadRow = EncodedImage | Failure | Result | BatchBarrier | Part


def read_shard(
    shard: Shard, output: str, max_file_bytes: int = MAX_BYTES, results: str = MASKS
) -> Iterator[ReadRow]:
    """Reads a shard's images, each with its place in the shard.

    Of a shard that an earlier attempt of this job has written whole nothing is read: its parts
    come instead. A shard that was begun before and never finished is run with care, one image at
    a time, so that it shows which one kills its process (:mod:`transforms.runs.attempts`).

    Yields:
        One row an image, and with care a barrier behind each; or parts.
    """
    if not shard.again and (parts := standing_parts(output, shard, results)):
        attempts.finish(output, shard.id)  # it died behind its writing, if it is noted
        yield from parts
        return
    if not attempts.begin(output, shard):
        yield from _read_with_care(shard, output, max_file_bytes)
        return
    rows = timed_each("read", read_images(shard.refs, max_bytes=max_file_bytes))
    try:
        for row, (_, slot) in zip(rows, slots_of(shard), strict=True):
            yield _counted(replace(row, slot=slot))
    except (storage.CredentialsError, storage.StorageDownError):
        # Nobody has died: whoever comes next need take no care.
        with contextlib.suppress(OSError):
            attempts.finish(output, shard.id)
        raise


def _read_with_care(shard: Shard, output: str, max_file_bytes: int) -> Iterator[ReadRow]:
    earlier = attempts.earlier_attempts(output, shard.id)
    # Suspects come last: what they take with them is then only themselves.
    places = sorted(slots_of(shard), key=lambda place: earlier.deaths.get(place[1].index, 0) > 0)
    for ref, slot in places:
        kept = attempts.kept_row(output, ref, slot) if slot.index in earlier.kept else None
        if kept is not None:
            yield kept
        elif slot.index in earlier.fatal:
            yield Failure(ref, Stage.DECODE, FailureCode.CRASHED, _CRASHED, slot)
        else:
            with attempts.in_hand(output, slot, earlier.deaths.get(slot.index, 0)):
                with timed("read"):
                    careful = replace(slot, with_care=True)
                    row = read_image(ref, careful, max_bytes=max_file_bytes)
                yield _counted(row)
                yield BatchBarrier()
    yield BatchBarrier()  # the writer has all rows now, and has written them
    attempts.finish(output, shard.id, with_care=True)


def _counted(row: EncodedImage | Failure) -> EncodedImage | Failure:
    if isinstance(row, EncodedImage):
        count("bytes_read", len(row.data))
    return row


@dataclass(eq=False)
class SegmentShards(beam.PTransform):
    """Shards -> the parts that each wrote: one fused stage from the shuffle to the file.

    What crosses the shuffle is a whole shard, expanded only behind it, so that its rows stay
    in one bundle.

    Attributes:
        output: The output folder.
        recipe: What decides the masks.
        run: What makes the rows.
        engine_threads: Cores that each process computes on; None for all that it sees.
        max_file_bytes: Files of more bytes are refused before they are read.
        batch_pictures: Pictures in a batch, however small their canvas: with the shard that it
            works on, all that a death costs a thread.
    """

    output: str
    recipe: Recipe
    run: RunRecord
    engine_threads: int | None = None
    max_file_bytes: int = MAX_BYTES
    batch_pictures: int = BATCH_PICTURES

    def expand(self, shards: beam.PCollection[Shard]) -> beam.PCollection[Part]:
        """Reads, segments and writes."""
        return (
            shards
            | beam.Reshuffle()
            | "Read" >> beam.FlatMap(read_shard, self.output, self.max_file_bytes, self.run.dataset)
            | self.work()
            | WriteShards(self.output, self.run)
        )

    def work(self) -> beam.PTransform:
        """What is done with images between reading and writing, fused and in one piece."""
        return SegmentEncoded(self.recipe, self.engine_threads, self.batch_pictures)


def encode_input(
    image: str | ImageRef | tuple[str, bytes], max_file_bytes: int = MAX_BYTES
) -> EncodedImage | Failure:
    """Reads what is named, or takes the bytes that came along under a caller's key."""
    if isinstance(image, tuple):
        key, data = image
        return EncodedImage(ImageRef(key), data)
    with timed("read"):
        ref = image if isinstance(image, ImageRef) else ImageRef(image)
        row = read_image(ref, max_bytes=max_file_bytes)
    return _counted(row)


@dataclass(eq=False)
class SegmentImages(beam.PTransform):
    """Segments images in a pipeline of your own.

    Takes a PCollection of URIs, of :class:`transforms.ImageRef`, or of ``(key, bytes)`` with
    a str key. Gives two collections, ``.segmentations`` (:class:`transforms.Segmentation`) and
    ``.failures`` (:class:`transforms.Failure`): every image comes out in exactly one.

    Put a ``beam.Reshuffle()`` before it where the URIs come from one place, such as a glob:
    runners keep fused steps together, and one worker would do all the work.

    Attributes:
        model: A zoo name, a path, a ``gs://`` path, or an inspected model.
        canvas: What pictures are reduced to fit into: ``auto``, the model's own, padded less
            where a picture is not square; ``official``, the model's own; or (height, width).
        output_stride: Of the backbone, 8 or 16; None for the model's own.
        engine: ``auto``, ``tensorflow`` or ``openvino``; ``auto`` looks for a GPU where the
            pipeline is built, not where it runs.
        precision: ``f32``, ``bf16`` or ``f16``.
        decoding: How files are decoded.
        max_file_bytes: Files of more bytes are refused before they are read.
        eval_scales: Factors on the canvas's sides, from 0.25 to 4: the network is asked at each,
            and the mean of its probabilities counts.
        flip: Whether it is asked about each picture's mirror image too.
        ignore_below: Pixels whose label has a smaller probability become 255, 0 to 1.
    """

    model: str | ModelSpec
    canvas: tuple[int, int] | Literal["auto", "official"] = "auto"
    output_stride: int | None = None
    engine: str = "auto"
    precision: str = "f32"
    decoding: DecodeOptions = DecodeOptions()  # noqa: RUF009 - frozen
    max_file_bytes: int = MAX_BYTES
    eval_scales: Sequence[float] = PLAIN
    flip: bool = False
    ignore_below: float = 0.0

    def expand(self, images: beam.PCollection) -> beam.pvalue.DoOutputsTuple:
        """Reads, segments, and parts masks from failures.

        Raises:
            deeplab.zoo.ModelNotFound: The model cannot be had.
            deeplab.engines.scales.ScaleError: The scales cannot be had.
        """
        rows = self.segment(images, self.recipe())
        return rows | "Part" >> beam.FlatMap(parted).with_outputs("failures", main="segmentations")

    def recipe(self) -> Recipe:
        """What is to be run; raises as :meth:`expand`."""
        model = inspect_model(self.model) if isinstance(self.model, str) else self.model
        for _, line in model.guesses:
            _LOGGER.warning("%s: %s", model.reference, line)
        return Recipe(
            model,
            Canvas(*(model.canvas if isinstance(self.canvas, str) else self.canvas)),
            output_stride=self.output_stride or model.output_stride,
            engine=choose_engine(self.engine, self.precision),
            bucketed=self.canvas == "auto",
            decoding=self.decoding,
            eval_scales=checked_scales(self.eval_scales),
            flip=self.flip,
            ignore_below=self.ignore_below,
        )

    def segment(self, images: beam.PCollection, recipe: Recipe) -> beam.PCollection:
        """The one collection of masks and failures, ``Segmentation | Failure``."""
        read = beam.Map(encode_input, self.max_file_bytes)
        return images | "Read" >> read | SegmentEncoded(recipe)


def parted(row: Any, result: str = "masks") -> Iterator[Any]:
    """Tags a failure; counts how an image ended, as ``result`` unless it failed."""
    count_outcome(row, result)
    yield beam.pvalue.TaggedOutput("failures", row) if isinstance(row, Failure) else row
