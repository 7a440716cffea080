"""The program ``beam-deeplab``: commands, and errors as one line."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from importlib.metadata import version

from pipeline.options import (
    RunFailedError,
    SegmentOptions,
    UsageError,
    add_labels_flag,
    add_segment_flags,
)

FAILED = 1
USAGE = 2
INTERRUPTED = 130


def build_parser() -> tuple[argparse.ArgumentParser, dict[str, argparse.ArgumentParser]]:
    """The parser, and the parser of each command."""
    parser = argparse.ArgumentParser(
        prog="beam-deeplab",
        description="Segments image collections with DeepLab-v3+ on Apache Beam: "
        "masks and class areas in Parquet.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=version("beam-deeplab"))
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    segment = commands.add_parser(
        "segment", help="images in, masks and class areas in Parquet out", allow_abbrev=False
    )
    add_segment_flags(segment)
    models = commands.add_parser(
        "models", help="the official models that --model takes by name", allow_abbrev=False
    )
    classes = commands.add_parser(
        "classes", help="what a model tells apart: ids, names and colours", allow_abbrev=False
    )
    classes.add_argument("--model", required=True, metavar="MODEL", help="a name or a path")
    add_labels_flag(classes)
    return parser, {"segment": segment, "models": models, "classes": classes}


def run(argv: Sequence[str]) -> int:
    """Runs one command.

    Args:
        argv: The arguments after the program's name.

    Returns:
        The exit code: 0 done, 1 the run failed.

    Raises:
        UsageError: Something that was asked for cannot be; the message says what to do.
        SystemExit: ``--help``, ``--version``, or flags that argparse refuses.
    """
    parser, commands = build_parser()
    arguments, left_over = parser.parse_known_args(argv)
    if arguments.command == "segment":
        options = SegmentOptions.from_arguments(arguments)
        from pipeline.beam_flags import check_flags
        from pipeline.segment import segment

        names = [name for action in commands["segment"]._actions for name in action.option_strings]
        check_flags(left_over, names)
        return segment(options, left_over)
    if left_over:
        commands[arguments.command].error(f"unexpected argument {left_over[0]!r}")
    from pipeline.catalogue import print_classes, print_models

    if arguments.command == "models":
        print_models()
    else:
        from pipeline.segment import find_model_spec

        print_classes(find_model_spec(arguments.model, arguments.labels).labels)
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    """The console script: :func:`run` with errors as one line on stderr and an exit code."""
    try:
        return run(sys.argv[1:] if argv is None else argv)
    except UsageError as error:
        print(f"beam-deeplab: {error}", file=sys.stderr)
        return USAGE
    except RunFailedError as error:
        print(f"beam-deeplab: {error}", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        print(
            "beam-deeplab: interrupted; the same command with --resume continues", file=sys.stderr
        )
        sys.stdout.flush()
        sys.stderr.flush()
        # Workers that are threads of this process would go on, and keep it alive.
        os._exit(INTERRUPTED)
