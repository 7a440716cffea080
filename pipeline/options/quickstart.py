"""The flags of ``beam-deeplab quickstart``."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

from beam_deeplab.deeplab.zoo.bundled import EMOJI_SCENES
from beam_deeplab.pipeline.options.errors import UsageError
from beam_deeplab.pipeline.options.values import FlagOptions, local_flag, positive
from beam_deeplab.scenes.settings import SEEDS

COUNT = 60


@dataclass(frozen=True)
class QuickstartOptions(FlagOptions):
    """What ``beam-deeplab quickstart`` was asked to do."""

    output: Path
    count: int = COUNT
    seed: int = 0
    model: str = EMOJI_SCENES.name

    @classmethod
    def from_arguments(cls, arguments: argparse.Namespace) -> QuickstartOptions:
        """Takes parsed flags.

        Raises:
            UsageError: The seed is out of range.
        """
        if not 0 <= arguments.seed < SEEDS:
            raise UsageError(f"--seed {arguments.seed}: give 0 to {SEEDS - 1}")
        return cls.take(arguments, output=local_flag("--output", arguments.output))


def add_quickstart_flags(parser: argparse.ArgumentParser) -> None:
    """Adds the flags of ``quickstart`` to its parser."""
    parser.description = (
        "Composes pictures of which the truth is known, segments them with a model that ships "
        "with this package, scores the masks against the truth, and shows all of it. Needs no "
        "network. What an earlier quickstart left in the folder is replaced."
    )
    parser.add_argument(
        "--output",
        default="quickstart",
        metavar="FOLDER",
        help="local folder for images/, truth/, run/ and evaluation/ (default %(default)s)",
    )
    parser.add_argument(
        "--count",
        type=positive,
        default=COUNT,
        metavar="N",
        help="pictures to compose (default %(default)s)",
    )
    parser.add_argument(
        "--seed", type=int, default=0, metavar="S", help="which pictures (default %(default)s)"
    )
    parser.add_argument(
        "--model",
        default=EMOJI_SCENES.name,
        metavar="MODEL",
        help="another model that answers the same classes (default %(default)s)",
    )
