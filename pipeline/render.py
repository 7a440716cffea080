"""``beam-deeplab render``: a run of `segment` whose last step makes pictures instead of masks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from functools import partial
from typing import Final

from beam_deeplab.deeplab.labels import LabelSet
from beam_deeplab.deeplab.labels.genres import GENRES
from beam_deeplab.pipeline.extras import require_extra
from beam_deeplab.pipeline.options import UsageError, refusing
from beam_deeplab.pipeline.options.render import RenderOptions
from beam_deeplab.pipeline.segment import segment
from beam_deeplab.transforms import storage
from beam_deeplab.transforms.decoding.decode import DecodingError, decode
from beam_deeplab.transforms.geometry import Canvas
from beam_deeplab.transforms.rendering.composites import RenderRecipe
from beam_deeplab.transforms.rendering.effects import Cutout, Effect, Portrait, Redact
from beam_deeplab.transforms.rendering.files import FileFormat
from beam_deeplab.transforms.rendering.matte import Matting
from beam_deeplab.transforms.segmenting.handler import Recipe

_LARGEST_BACKGROUND: Final = 4 * 2**20
"""Bytes of a background's file, which travels to the workers with the job itself."""


def render(options: RenderOptions, beam_arguments: Sequence[str] = ()) -> int:
    """Runs the job and waits for it, or follows the one that runs; gives the exit code 0.

    Raises:
        UsageError: Something asked for cannot be had.
        RunFailedError: The job ended without a commit, or with too many failures.
    """
    if options.matting == Matting.CLOSED_FORM:
        require_extra("matting")
    return segment(options, beam_arguments, partial(_with_effect, options))


def _with_effect(options: RenderOptions, recipe: Recipe) -> RenderRecipe:
    return RenderRecipe(
        **{each.name: getattr(recipe, each.name) for each in fields(recipe)},
        effect=_effect(options),
        subject=subject_classes(options.subject, recipe.model.labels),
        file_format=FileFormat(options.image_format),
        keep_exif=options.keep_exif,
    )


def subject_classes(words: Sequence[str], labels: LabelSet) -> tuple[int, ...]:
    """The classes that genres and class names stand for, by id.

    A genre of which the model knows no class stands for none.

    Raises:
        UsageError: A word is neither, or there is no class in the end.
    """
    for word in words:
        if word not in GENRES and word not in labels.names:
            raise UsageError(
                f"--subject {word}: is neither a genre ({', '.join(GENRES)}) nor a class of the "
                "model, which `beam-deeplab classes` shows"
            )
    named = zip(labels.names, labels.genres, strict=True)
    subject = tuple(
        label for label, (name, genre) in enumerate(named) if name in words or genre in words
    )
    if not subject:
        raise UsageError(
            f"--subject {','.join(words)}: the model tells no such class apart; `beam-deeplab "
            "classes` shows those that it does"
        )
    return subject


def _effect(options: RenderOptions) -> Effect:
    if options.effect == "portrait":
        return Portrait(options.strength, Matting(options.matting))
    if options.effect == "redact":
        return Redact(options.fill)
    background = options.background
    return Cutout(
        _read_background(background) if isinstance(background, str) else background,
        Matting(options.matting),
    )


def _read_background(uri: str) -> bytes:
    with refusing(f"--background {uri}", OSError):
        content = storage.read(uri)
    if len(content) > _LARGEST_BACKGROUND:
        raise UsageError(
            f"--background {uri}: has more than {_LARGEST_BACKGROUND // 2**20} MiB, which is too "
            "much to travel with the job: reduce it"
        )
    try:
        decode(content, Canvas(16, 16))
    except DecodingError as error:
        raise UsageError(f"--background {uri}: {error.message}") from error
    return content
