"""The flags of ``beam-deeplab render``."""

from __future__ import annotations

import argparse
from dataclasses import dataclass

from PIL import ImageColor

from beam_deeplab.pipeline.options.errors import UsageError
from beam_deeplab.pipeline.options.job import JobOptions
from beam_deeplab.pipeline.options.network import NetworkOptions
from beam_deeplab.pipeline.options.segment import SegmentOptions, add_run_flags
from beam_deeplab.pipeline.options.values import location

Colour = tuple[int, int, int]

_FLAGS_OF = {"strength": "portrait", "background": "cutout", "fill": "redact"}
"""The effect that each flag is for."""


@dataclass(frozen=True)
class RenderOptions(SegmentOptions):
    """What ``beam-deeplab render`` was asked to do; local paths are absolute.

    Attributes:
        background: A colour, or where a picture is.
        image_format: ``jpg``, ``png`` or ``webp``.
    """

    effect: str = "portrait"
    subject: tuple[str, ...] = ()
    strength: float = 0.5
    background: Colour | str | None = None
    fill: Colour | None = None
    matting: str = "guided"
    image_format: str = "jpg"
    keep_exif: bool = False

    @classmethod
    def from_arguments(cls, arguments: argparse.Namespace) -> RenderOptions:
        """Takes parsed flags.

        Raises:
            UsageError: As :meth:`NetworkOptions.from_arguments`; or a flag is another effect's, or
                the format cannot hold what is asked for.
        """
        if arguments.matting != "guided" and arguments.effect == "redact":
            raise UsageError("--matting refines an outline, which --effect redact has none of")
        for flag, effect in _FLAGS_OF.items():
            if getattr(arguments, flag) is not None and arguments.effect != effect:
                raise UsageError(f"--{flag} is a flag of --effect {effect}: leave it out")
        is_transparent = arguments.effect == "cutout" and arguments.background is None
        if is_transparent and arguments.image_format == "jpg":
            raise UsageError(
                "--image_format jpg: a JPEG has no transparency: take png or webp, or give a "
                "--background"
            )
        return cls.take(
            arguments,
            input=tuple(arguments.input),
            network=NetworkOptions.from_arguments(arguments),
            job=JobOptions.take(arguments),
            dry_run=False,
            price_per_hour=None,
            subject=tuple(filter(None, map(str.strip, arguments.subject.split(",")))),
            strength=0.5 if arguments.strength is None else arguments.strength,
            image_format=arguments.image_format or ("png" if is_transparent else "jpg"),
        )


def add_render_flags(parser: argparse.ArgumentParser) -> None:
    """Adds the flags of ``render`` to its parser, in groups."""
    effects = parser.add_argument_group("the effect")
    effects.add_argument(
        "--effect",
        required=True,
        choices=("portrait", "cutout", "redact"),
        help="portrait: the background out of focus, as a lens would; less than 1 %% of "
        "subject leaves a picture as it is. cutout: the subject alone. redact: the subject hidden "
        "under blocks of one colour, generously",
    )
    effects.add_argument(
        "--subject",
        default="human,animal",
        metavar="NAMES",
        help="genres (human, animal, food, vehicle, ...) or names of `beam-deeplab classes`, "
        "split by commas (default %(default)s)",
    )
    effects.add_argument(
        "--strength",
        type=_strength,
        metavar="S",
        help="portrait: 0 (no blur) to 1, a disc of 3 %% of the shorter side (default 0.5)",
    )
    effects.add_argument(
        "--background",
        type=_background,
        metavar="COLOUR|FILE",
        help="cutout: what comes behind the subject, instead of transparency: white, '#2040ff', or "
        "a local or gs:// picture, cut to each picture's size",
    )
    effects.add_argument(
        "--fill",
        type=_colour,
        metavar="COLOUR",
        help="redact: fill with one colour instead of blocks of the picture's own",
    )
    effects.add_argument(
        "--matting",
        choices=("guided", "closed-form"),
        default="guided",
        help="portrait, cutout: what finds the outline between the network's grid points: a guided "
        "filter, or closed-form matting, for hair; it is slower (default %(default)s)",
    )
    effects.add_argument(
        "--image_format",
        choices=("jpg", "png", "webp"),
        help="of the pictures written: png keeps each pixel as it is, jpg (quality 95) and webp "
        "(90) nearly (default: jpg, and png for cutouts with transparency)",
    )
    effects.add_argument(
        "--keep_exif",
        action="store_true",
        help="take over the photo's Exif: camera, time, place; without embedded previews. Its "
        "colour profile always comes along",
    )
    add_run_flags(parser, shards="at most 16")


def _strength(text: str) -> float:
    value = float(text)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text} is not between 0 and 1")
    return value


def _colour(text: str) -> Colour:
    try:
        red, green, blue, *_ = ImageColor.getrgb(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no colour, as white or '#2040ff'") from None
    return red, green, blue


def _background(text: str) -> Colour | str:
    try:
        return _colour(text)
    except argparse.ArgumentTypeError:
        if text.startswith("#"):
            raise
        return location(text)
