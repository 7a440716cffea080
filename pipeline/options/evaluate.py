"""The flags of ``beam-deeplab evaluate``."""

from __future__ import annotations

import argparse
from dataclasses import dataclass, field, fields

from beam_deeplab.pipeline.options.errors import UsageError
from beam_deeplab.pipeline.options.job import JobOptions, add_job_flags
from beam_deeplab.pipeline.options.network import (
    NetworkOptions,
    add_masks_flags,
    add_network_flags,
)
from beam_deeplab.pipeline.options.truth import TruthOptions, add_truth_flags
from beam_deeplab.pipeline.options.values import FlagOptions, add_again_flags, location
from beam_deeplab.transforms.decoding.options import DEFAULT_MAX_PIXELS, DecodeOptions
from beam_deeplab.transforms.sources.image_lists import is_pair_list


@dataclass(frozen=True)
class EvaluateOptions(FlagOptions):
    """What ``beam-deeplab evaluate`` was asked to do; local paths are absolute.

    Attributes:
        input: Empty if masks of an earlier run are scored.
        truth: Empty if ``input`` names lists of pairs.
        network: What shall compute the masks; None if an earlier run has.
        segmented: Output of that run; None if there is none.
        max_pixels: Truth files that claim more are refused before they are decoded.
    """

    input: tuple[str, ...]
    truth: tuple[str, ...]
    output: str
    network: NetworkOptions | None
    segmented: str | None = None
    truth_files: TruthOptions = field(default_factory=TruthOptions)
    max_pixels: int = DEFAULT_MAX_PIXELS
    job: JobOptions = field(default_factory=JobOptions)
    resume: bool = False
    overwrite: bool = False

    @classmethod
    def from_arguments(cls, arguments: argparse.Namespace) -> EvaluateOptions:
        """Takes parsed flags.

        Raises:
            UsageError: Flags are missing or contradict each other, or as
                :meth:`NetworkOptions.from_arguments`.
        """
        network = None
        if arguments.segmented is None:
            _check_pairs(arguments)
            network = NetworkOptions.from_arguments(arguments)
        else:
            _check_segmented(arguments)
        return cls.take(
            arguments,
            input=tuple(arguments.input or ()),
            truth=tuple(arguments.truth or ()),
            network=network,
            truth_files=TruthOptions.from_arguments(arguments),
            job=JobOptions.take(arguments),
        )


def _check_pairs(arguments: argparse.Namespace) -> None:
    if not arguments.input:
        raise UsageError("--input is missing: name images, or an earlier run with --segmented")
    if arguments.truth:
        return
    for pattern in arguments.input:
        if not is_pair_list(pattern):
            raise UsageError(
                f"--truth is missing, and {pattern} is no .csv or .parquet with the columns "
                "image_uri and truth_uri"
            )


def _check_segmented(arguments: argparse.Namespace) -> None:
    if arguments.input:
        raise UsageError("--segmented takes its images from that run: leave --input out")
    if not arguments.truth:
        raise UsageError("--truth is missing: name the truth of the images of --segmented")
    asked = NetworkOptions.from_arguments(
        argparse.Namespace(**{**vars(arguments), "model": arguments.model or ""})
    )
    taken = NetworkOptions(model="", decoding=DecodeOptions(max_pixels=asked.decoding.max_pixels))
    names = [each.name for each in fields(asked)]
    idle = [name for name in names if getattr(asked, name) != getattr(taken, name)]
    if idle:
        given = {"bucketed": "--canvas", "decoding": "--truncated or --sample_bits"}
        flags = dict.fromkeys(given.get(name, f"--{name}") for name in idle)
        raise UsageError(f"--segmented takes masks as they are: leave {', '.join(flags)} out")


def add_evaluate_flags(parser: argparse.ArgumentParser) -> None:
    """Adds the flags of ``evaluate`` to its parser, in groups."""
    data = parser.add_argument_group("what goes in and comes out")
    data.add_argument(
        "--input",
        type=location,
        action="extend",
        nargs="+",
        metavar="PATTERN",
        help="images, as `segment` takes them; or, without --truth, a .csv or .parquet with the "
        "columns image_uri and truth_uri; repeatable",
    )
    data.add_argument(
        "--truth",
        type=location,
        action="extend",
        nargs="+",
        metavar="PATTERN",
        help="ground truth: globs, paths or folders of PNGs, GIFs, BMPs or TIFFs, whose pixels are "
        "class ids or the classes' colours. An image and a truth are a pair if their names are "
        "equal but for what tools append; files of one name are told apart by their folders",
    )
    data.add_argument(
        "--segmented",
        type=location,
        metavar="FOLDER",
        help="score the masks of a finished `segment`, without inference and without --model",
    )
    data.add_argument(
        "--output",
        required=True,
        type=location,
        metavar="FOLDER",
        help="folder or gs:// prefix for the report",
    )
    add_truth_flags(data)
    add_network_flags(parser)
    add_masks_flags(parser)
    run = add_job_flags(parser)
    add_again_flags(
        run,
        "evaluation",
        "continue the evaluation in --output, or score its masks again, with another truth if you "
        "like: only masks that are missing are made",
    )
