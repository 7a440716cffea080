"""The flags of ``beam-deeplab report``."""

from __future__ import annotations

import argparse
from dataclasses import dataclass

from beam_deeplab.pipeline.options.errors import UsageError
from beam_deeplab.pipeline.options.values import FlagOptions, location

OUTPUT = "report.html"


@dataclass(frozen=True)
class ReportOptions(FlagOptions):
    """What ``beam-deeplab report`` was asked to do; local paths are absolute.

    Attributes:
        run: Output of a committed `segment`.
        output: The page; its figures stand beside it in a file of the same name with ``.json``.
        evaluation: Output of an `evaluate` of that run; None if there is none.
        against: Output of another run, for what changed since; None if there is none.
    """

    run: str
    output: str
    evaluation: str | None = None
    against: str | None = None

    @classmethod
    def from_arguments(cls, arguments: argparse.Namespace) -> ReportOptions:
        """Takes parsed flags.

        Raises:
            UsageError: The output is no page.
        """
        if not arguments.output.endswith(".html"):
            raise UsageError(f"--output {arguments.output}: name a file that ends with .html")
        return cls.take(arguments)


def add_report_flags(parser: argparse.ArgumentParser) -> None:
    """Adds the flags of ``report`` to its parser."""
    parser.description = (
        "Writes one HTML page about a committed run, which needs nothing beside it, and the same "
        "figures as JSON: failures, areas by class and genre, confidence, and pictures with their "
        "masks. It reads the run's tables, and of the images only those that the page shows."
    )
    parser.add_argument("run", type=location, metavar="RUN", help="output of a finished `segment`")
    parser.add_argument(
        "--output",
        type=location,
        default=OUTPUT,
        metavar="FILE",
        help="the page, local or in gs://; a report that stands there is replaced, and the figures "
        "are beside it, with .json for .html (default %(default)s)",
    )
    parser.add_argument(
        "--evaluation",
        type=location,
        metavar="FOLDER",
        help="output of an `evaluate` of this run: shows its measures, the truth beside the masks, "
        "and the pictures that are furthest from it",
    )
    parser.add_argument(
        "--against",
        type=location,
        metavar="RUN2",
        help="output of an earlier run: shows what has changed since, and most of all where",
    )
