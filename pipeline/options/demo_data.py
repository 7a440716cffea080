"""The flags of ``beam-deeplab demo-data``."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

from beam_deeplab.pipeline.options.errors import UsageError
from beam_deeplab.pipeline.options.values import FlagOptions, local_flag, positive
from beam_deeplab.scenes.settings import DEFAULT_SIZE, SEEDS, SPLITS, SceneSettings, Split

_NOTE = """\
The same count, seed, size and split always give the same pictures. --split train draws from scenes
that no seed of the other splits reaches, so that what a model was trained on never measures it.
Without --truth only the pictures are written."""


@dataclass(frozen=True)
class DemoDataOptions(FlagOptions):
    """What ``beam-deeplab demo-data`` was asked to do; ``settings`` are sizes and split."""

    count: int
    seed: int
    output: Path
    truth: Path | None
    settings: SceneSettings
    faults: int = 0
    overwrite: bool = False

    @classmethod
    def from_arguments(cls, arguments: argparse.Namespace) -> DemoDataOptions:
        """Takes parsed flags.

        Raises:
            UsageError: The sizes, the seed or the faults cannot be, or a folder is not local.
        """
        if not 0 <= arguments.seed < SEEDS:
            raise UsageError(f"--seed {arguments.seed}: give a number from 0 to {SEEDS - 1}")
        return cls.take(
            arguments,
            output=local_flag("--output", arguments.output),
            truth=None if arguments.truth is None else local_flag("--truth", arguments.truth),
            settings=_settings(arguments.size, arguments.split),
            faults=_faults(arguments.faults, arguments.count),
        )


def add_demo_data_flags(parser: argparse.ArgumentParser) -> None:
    """Adds the flags of ``demo-data`` to its parser."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = _NOTE
    parser.add_argument(
        "--count", type=positive, required=True, metavar="N", help="how many scenes"
    )
    parser.add_argument(
        "--seed", type=int, default=0, metavar="S", help="which scenes (default %(default)s)"
    )
    parser.add_argument("--output", required=True, metavar="FOLDER", help="folder of the pictures")
    parser.add_argument(
        "--truth",
        metavar="FOLDER",
        help="folder of the truth masks: indexed PNG files of the same stems",
    )
    parser.add_argument(
        "--size",
        nargs="+",
        type=positive,
        default=list(DEFAULT_SIZE),
        metavar=("MIN", "MAX"),
        help="shortest and longest long side in pixels, or one number for all "
        f"(default {DEFAULT_SIZE[0]} {DEFAULT_SIZE[1]})",
    )
    parser.add_argument(
        "--split",
        choices=SPLITS,
        default="test",
        help="scenes to measure on, scenes to train on, or scenes of emoji that are kept out of "
        "training (default %(default)s)",
    )
    parser.add_argument(
        "--faults",
        default="0",
        metavar="F",
        help="broken files beside the scenes: how many, or as a share of --count such as 0.1 "
        "(default none)",
    )
    parser.add_argument(
        "--overwrite",
        action="store_true",
        help="replace the scenes that are in the folders; other files stay",
    )


def _settings(size: list[int], split: Split) -> SceneSettings:
    shown = " ".join(map(str, size))
    if len(size) > 2:
        raise UsageError(f"--size {shown}: give one number, or the shortest and the longest")
    try:
        return SceneSettings((size[0], size[-1]), split)
    except ValueError as error:
        raise UsageError(f"--size {shown}: {error}") from None


def _faults(text: str, count: int) -> int:
    try:
        number = float(text)
        if text.isdecimal():
            return int(text)
        if 0 <= number <= 1:
            return round(number * count)
    except ValueError:
        pass
    raise UsageError(f"--faults {text}: give a number of files, or a share such as 0.1")
