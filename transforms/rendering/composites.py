"""Rendering as Beam transforms: thin wrappers that map the pure functions beside them.

A picture is decoded twice: reduced for the network, as for a mask, and at its full size behind it.
So what waits in a batch are files, not full-size pictures, and of those as many are open at once
as the decoding's budget of memory allows.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import ClassVar, Final

import apache_beam as beam

from beam_deeplab.transforms.decoding.budget import decoding_budget
from beam_deeplab.transforms.decoding.decode import DecodingError, decode
from beam_deeplab.transforms.geometry import Canvas
from beam_deeplab.transforms.metrics import timed
from beam_deeplab.transforms.parquet.schemas import RENDERS
from beam_deeplab.transforms.records import Failure, FailureCode, LogitsGrid, Rendering, Stage
from beam_deeplab.transforms.rendering.effects import Effect, Portrait
from beam_deeplab.transforms.rendering.files import FileFormat, encode_picture
from beam_deeplab.transforms.segmenting.composites import InferEncoded, SegmentShards, only_for
from beam_deeplab.transforms.segmenting.handler import Recipe

_LOGGER = logging.getLogger(__name__)

MAX_SHARD_SIZE: Final = 16
"""Images that share a shard by default, which is held until its last one is rendered; one of 12
megapixels takes 3 MB as a JPEG and 11 MB as a PNG with alpha."""

_PIXEL_BYTES = 24
"""What an effect and the file hold at once, for each pixel of the original."""


@dataclass(frozen=True)
class RenderRecipe(Recipe):
    """Everything that decides which rendering a file gets: beside the network's, the effect.

    Attributes:
        effect: What is done with each picture.
        subject: Ids of the classes that it is about.
        file_format: Of what is written.
        keep_exif: Whether the photo's Exif comes along.
    """

    dataset: ClassVar[str] = RENDERS

    effect: Effect = Portrait()  # noqa: RUF009 - frozen
    subject: tuple[int, ...] = ()
    file_format: FileFormat = FileFormat.JPEG
    keep_exif: bool = False


@timed("render")
def render_image(answer: LogitsGrid, recipe: RenderRecipe) -> Rendering | Failure:
    """The rendering of one image, whose file came along; an error costs that image only."""
    original = answer.original

    def failed(code: FailureCode, message: str) -> Failure:
        return Failure(answer.ref, Stage.RENDER, code, message, slot=answer.slot)

    try:
        full_size = Canvas(original.height, original.width)
        picture = decode(answer.data, full_size, recipe.decoding).pixels
        with decoding_budget().hold(original.height * original.width * _PIXEL_BYTES):
            rendered = recipe.effect(picture, answer, recipe.subject)
            image = encode_picture(
                rendered.pixels, recipe.file_format, answer.data, keep_exif=recipe.keep_exif
            )
    except DecodingError as error:
        return failed(error.code, error.message)
    except (ValueError, MemoryError) as error:
        return failed(FailureCode.TOO_LARGE, str(error) or "there is not enough memory for it")
    except Exception as error:
        _LOGGER.exception("No rendering of %s", answer.ref.uri)
        return failed(FailureCode.INFERENCE_ERROR, f"{type(error).__name__}: {error}")
    return Rendering(
        answer.ref,
        image,
        recipe.file_format.value,
        rendered.effect,
        rendered.subject_fraction,
        original,
        answer.slot,
    )


@dataclass(eq=False)
class RenderEncoded(InferEncoded):
    """``EncodedImage | Failure`` -> ``Rendering | Failure``, fused and in one piece."""

    recipe: RenderRecipe
    keep_data: bool = True

    def expand(self, images: beam.PCollection) -> beam.PCollection:
        """Decodes, infers and renders."""
        render = only_for(LogitsGrid, render_image, recipe=self.recipe)
        return super().expand(images) | "Render" >> beam.Map(render)


@dataclass(eq=False)
class RenderShards(SegmentShards):
    """Shards -> the parts that each wrote, of renderings."""

    recipe: RenderRecipe

    def work(self) -> beam.PTransform:
        """See :class:`SegmentShards`."""
        return RenderEncoded(self.recipe, self.engine_threads, self.batch_pictures)
