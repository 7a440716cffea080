"""The flags of ``beam-deeplab segment``."""

from __future__ import annotations

import argparse
from dataclasses import dataclass, field

from beam_deeplab.pipeline.options.errors import UsageError
from beam_deeplab.pipeline.options.job import JobOptions, add_job_flags
from beam_deeplab.pipeline.options.network import (
    NetworkOptions,
    add_masks_flags,
    add_network_flags,
)
from beam_deeplab.pipeline.options.values import (
    FlagOptions,
    add_again_flags,
    byte_count,
    location,
    positive,
    price,
)
from beam_deeplab.transforms.sources.reading import MAX_BYTES


@dataclass(frozen=True)
class SegmentOptions(FlagOptions):
    """What ``beam-deeplab segment`` was asked to do; local paths are absolute."""

    input: tuple[str, ...]
    output: str
    network: NetworkOptions
    job: JobOptions = field(default_factory=JobOptions)
    shard_size: int | None = None
    max_file_bytes: int = MAX_BYTES
    resume: bool = False
    discard_damaged: bool = False
    overwrite: bool = False
    attach: bool = False
    dry_run: bool = False
    price_per_hour: float | None = None

    @classmethod
    def from_arguments(cls, arguments: argparse.Namespace) -> SegmentOptions:
        """Takes parsed flags.

        Raises:
            UsageError: As :meth:`NetworkOptions.from_arguments`; or a price is given, and nothing
                asks for it.
        """
        if arguments.price_per_hour is not None and not arguments.dry_run:
            raise UsageError("--price_per_hour is for --dry_run")
        return cls.take(
            arguments,
            input=tuple(arguments.input),
            network=NetworkOptions.from_arguments(arguments),
            job=JobOptions.take(arguments),
        )


def add_segment_flags(parser: argparse.ArgumentParser) -> None:
    """Adds the flags of ``segment`` to its parser, in groups."""
    run = add_run_flags(parser)
    add_masks_flags(parser)
    run.add_argument(
        "--dry_run",
        action="store_true",
        help="count the inputs, try the model on a few, estimate time, worker hours and bytes; "
        "write nothing",
    )
    run.add_argument(
        "--price_per_hour",
        type=price,
        metavar="P",
        help="with --dry_run: what one machine costs, for an estimate of the whole",
    )


def add_run_flags(
    parser: argparse.ArgumentParser, shards: str = "at most 512 and 64 batches"
) -> argparse._ArgumentGroup:
    """Adds the flags of whatever runs images through a network into Parquet.

    Args:
        parser: The command's.
        shards: How many images share a shard by default.

    Returns:
        The group of the run, for a command's own flags of this kind.
    """
    data = parser.add_argument_group("what goes in and comes out")
    data.add_argument(
        "--input",
        action="extend",
        nargs="+",
        required=True,
        type=location,
        metavar="PATTERN",
        help="folders, globs ('photos/**/*.{jpg,png}', 'gs://bucket/photos/*'), paths, or a list: "
        ".txt with one URI a line, .csv or .parquet with a column image_uri; repeatable",
    )
    data.add_argument(
        "--max_file_bytes",
        type=byte_count,
        default=MAX_BYTES,
        metavar="BYTES",
        help="files of more bytes are failures before a byte is read (2GB, 500MiB; default 1GiB)",
    )
    data.add_argument(
        "--output",
        required=True,
        type=location,
        metavar="FOLDER",
        help="folder or gs:// prefix for the results",
    )
    add_network_flags(parser)
    run = add_job_flags(parser)
    run.add_argument(
        "--shard_size",
        type=positive,
        metavar="N",
        help=f"images that are written together (default: {shards}, fewer for small runs)",
    )
    again = add_again_flags(
        run,
        "run",
        "continue the run in --output: only images that are new, changed, failed or unfinished are "
        "worked on",
    )
    again.add_argument(
        "--attach",
        action="store_true",
        help="follow the run that is at work in --output, wherever it was started, to its end: its "
        "progress, its summary, its exit code. What it does was said when it was started",
    )
    run.add_argument(
        "--discard_damaged",
        action="store_true",
        help="with --resume: give up parts that are damaged also where they may hold images which "
        "are no longer among the inputs; the summary counts them",
    )
    return run
