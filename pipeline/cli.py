"""The program ``beam-deeplab``: commands, and errors as one line."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from importlib.metadata import version

from beam_deeplab.pipeline.commands import COMMANDS
from beam_deeplab.pipeline.extras import require_extra
from beam_deeplab.pipeline.options import RunFailedError, UsageError

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
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    parsers = {}
    for name, command in COMMANDS.items():
        parsers[name] = subparsers.add_parser(name, help=command.help, allow_abbrev=False)
        command.add_flags(parsers[name])
    return parser, parsers


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
    parser, parsers = build_parser()
    arguments, left_over = parser.parse_known_args(argv)
    command = COMMANDS[arguments.command]
    own = parsers[arguments.command]
    if left_over and not command.takes_beam_flags:
        own.error(f"unexpected argument {left_over[0]!r}")
    if left_over:
        from beam_deeplab.pipeline.beam_flags import check_flags

        check_flags(left_over, [name for action in own._actions for name in action.option_strings])
    if command.extra is not None:
        require_extra(command.extra)
    return command.run(arguments, left_over)


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
    except KeyboardInterrupt as interruption:
        advice = str(interruption) or "the same command with --resume continues"
        print(f"beam-deeplab: interrupted; {advice}", file=sys.stderr)
        sys.stdout.flush()
        sys.stderr.flush()
        # Workers that are threads of this process would go on, and keep it alive.
        os._exit(INTERRUPTED)
