"""The flags of ``beam-deeplab train``."""

from __future__ import annotations

import argparse
from dataclasses import dataclass, field
from pathlib import Path

from beam_deeplab.pipeline.options.errors import UsageError
from beam_deeplab.pipeline.options.truth import TruthOptions, add_truth_flags
from beam_deeplab.pipeline.options.values import FlagOptions, add_again_flags, local_flag


@dataclass(frozen=True)
class TrainOptions(FlagOptions):
    """What ``beam-deeplab train`` was asked to do.

    Attributes:
        validation: Empty to hold some of ``data`` out.
    """

    data: tuple[Path, ...]
    config: Path
    output: Path
    validation: tuple[Path, ...] = ()
    truth_files: TruthOptions = field(default_factory=TruthOptions)
    resume: bool = False
    overwrite: bool = False
    quiet: bool = False

    @classmethod
    def from_arguments(cls, arguments: argparse.Namespace) -> TrainOptions:
        """Takes parsed flags.

        Raises:
            UsageError: More than two folders, or a path that is not on this machine.
        """
        return cls.take(
            arguments,
            data=_folders("--data", arguments.data),
            config=local_flag("--config", arguments.config),
            output=local_flag("--output", arguments.output),
            truth_files=TruthOptions.from_arguments(arguments),
            validation=_folders("--validation", arguments.validation),
        )


def add_train_flags(parser: argparse.ArgumentParser) -> None:
    """Adds the flags of ``train`` to its parser, in groups."""
    data = parser.add_argument_group("what goes in and comes out")
    data.add_argument(
        "--data",
        nargs="+",
        required=True,
        metavar="FOLDER",
        help="a folder with images/ and truth/, with JPEGImages/ and SegmentationClass/ as PASCAL "
        "VOC has them, or with leftImg8bit/ and gtFine/ as Cityscapes has them; or the folder of "
        "pictures and the folder of masks. A mask has its picture's name, or what tools append "
        "to it, and is a PNG, GIF, BMP or TIFF of class ids or of the classes' colours",
    )
    add_truth_flags(data)
    data.add_argument(
        "--validation",
        nargs="+",
        default=[],
        metavar="FOLDER",
        help="the same, of pictures to score the network with after every epoch (default: a share "
        "of --data is held out)",
    )
    data.add_argument(
        "--config",
        required=True,
        metavar="FILE",
        help="TOML: the network, what it starts from, and how it is trained",
    )
    data.add_argument(
        "--output",
        required=True,
        metavar="FOLDER",
        help="folder for model/, which --model of the other commands takes, and for the "
        "training's state, logs and history",
    )
    run = parser.add_argument_group("the run")
    add_again_flags(run, "training", "go on behind the last epoch that is finished in --output")
    run.add_argument("--quiet", action="store_true", help="no progress and no summary")


def _folders(flag: str, words: list[str]) -> tuple[Path, ...]:
    if len(words) > 2:
        raise UsageError(f"{flag} takes one folder or two (pictures, masks), not {len(words)}")
    return tuple(local_flag(flag, word) for word in words)
