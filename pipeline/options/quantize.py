"""The flags of ``beam-deeplab quantize``."""

from __future__ import annotations

import argparse
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from beam_deeplab.pipeline.options.errors import UsageError
from beam_deeplab.pipeline.options.network import NetworkOptions, add_network_flags
from beam_deeplab.pipeline.options.truth import TruthOptions, add_truth_flags
from beam_deeplab.pipeline.options.values import FlagOptions, local_flag, location, positive

COUNT: Final = 64
"""Pictures that a network is calibrated on unless another number is asked for."""


@dataclass(frozen=True)
class QuantizeOptions(FlagOptions):
    """What ``beam-deeplab quantize`` was asked to do.

    Attributes:
        truth: Empty if nothing is scored.
        max_loss: Of mIoU, 0 to 1, before the model is refused.
    """

    input: tuple[str, ...]
    output: Path
    network: NetworkOptions
    truth: tuple[str, ...] = ()
    truth_files: TruthOptions = field(default_factory=TruthOptions)
    count: int = COUNT
    seed: int = 0
    max_loss: float = 0.01
    overwrite: bool = False
    quiet: bool = False

    @classmethod
    def from_arguments(cls, arguments: argparse.Namespace) -> QuantizeOptions:
        """Takes parsed flags.

        Raises:
            UsageError: As :meth:`NetworkOptions.from_arguments`; or flags that say what computes.
        """
        if arguments.engine == "tensorflow" or arguments.precision != "f32":
            raise UsageError(
                "quantize makes 8-bit models for OpenVINO: leave --engine and --precision out"
            )
        return cls.take(
            arguments,
            input=tuple(arguments.input),
            output=local_flag("--output", arguments.output),
            network=NetworkOptions.from_arguments(arguments),
            truth=tuple(arguments.truth or ()),
            truth_files=TruthOptions.from_arguments(arguments),
        )


def add_quantize_flags(parser: argparse.ArgumentParser) -> None:
    """Adds the flags of ``quantize`` to its parser, in groups."""
    data = parser.add_argument_group("what goes in and comes out")
    data.add_argument(
        "--input",
        type=location,
        action="extend",
        nargs="+",
        required=True,
        metavar="PATTERN",
        help="images like those that the model is for, as `segment` takes them; repeatable",
    )
    data.add_argument(
        "--output",
        required=True,
        metavar="FOLDER",
        help="folder for the model, which --model of the other commands takes",
    )
    data.add_argument(
        "--count",
        type=positive,
        default=COUNT,
        metavar="N",
        help="calibrate on so many of the images (default %(default)s)",
    )
    data.add_argument(
        "--seed", type=int, default=0, metavar="N", help="choose others (default %(default)s)"
    )
    data.add_argument(
        "--truth",
        type=location,
        action="extend",
        nargs="+",
        metavar="PATTERN",
        help="ground truth of the images, as `evaluate` takes it: mIoU before and after is said, "
        "of as many further images if there are",
    )
    data.add_argument(
        "--max_loss",
        type=float,
        default=0.01,
        metavar="X",
        help="write nothing if mIoU falls by more (default %(default)s)",
    )
    add_truth_flags(data)
    add_network_flags(parser)
    run = parser.add_argument_group("the run")
    run.add_argument("--overwrite", action="store_true", help="replace the model in --output")
    run.add_argument("--quiet", action="store_true", help="no progress and no summary")
