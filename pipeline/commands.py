"""The commands of ``beam-deeplab``: for each its flags, what runs it, and their parser.

What a command needs is imported when it runs, so that ``--help`` costs none of it.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import TypeAlias

from beam_deeplab.deeplab.zoo import BUNDLED_MODELS, closest_names, find_model
from beam_deeplab.pipeline import stopping
from beam_deeplab.pipeline.extras import require_extra
from beam_deeplab.pipeline.options import EvaluateOptions, SegmentOptions, UsageError
from beam_deeplab.pipeline.options.demo_data import DemoDataOptions, add_demo_data_flags
from beam_deeplab.pipeline.options.evaluate import add_evaluate_flags
from beam_deeplab.pipeline.options.export import ExportOptions, add_export_flags
from beam_deeplab.pipeline.options.network import add_labels_flag
from beam_deeplab.pipeline.options.quantize import QuantizeOptions, add_quantize_flags
from beam_deeplab.pipeline.options.quickstart import QuickstartOptions, add_quickstart_flags
from beam_deeplab.pipeline.options.render import RenderOptions, add_render_flags
from beam_deeplab.pipeline.options.report import ReportOptions, add_report_flags
from beam_deeplab.pipeline.options.segment import add_segment_flags
from beam_deeplab.pipeline.options.train import TrainOptions, add_train_flags
from beam_deeplab.pipeline.options.values import split_values

AddFlags: TypeAlias = Callable[[argparse.ArgumentParser], None]
Run: TypeAlias = Callable[[argparse.Namespace, Sequence[str]], int]


@dataclass(frozen=True, slots=True)
class Command:
    """One command.

    Attributes:
        help: What it does, in half a line.
        add_flags: Adds its flags to its parser.
        run: Runs it with its parsed flags and with Beam's; gives the exit code, and raises
            :class:`pipeline.options.UsageError` or :class:`pipeline.options.RunFailedError`.
        takes_beam_flags: Whether Beam's own flags are accepted beside its own.
        extra: What must be installed beside the core, as pyproject.toml names it.
        when_interrupted: What to do after an interrupt, for its message.
    """

    help: str
    add_flags: AddFlags
    run: Run
    takes_beam_flags: bool = False
    extra: str | None = None
    when_interrupted: str = ""


def _segment(arguments: argparse.Namespace, beam_flags: Sequence[str]) -> int:
    options = SegmentOptions.from_arguments(arguments)
    from beam_deeplab.pipeline.segment import segment

    return segment(options, beam_flags)


def _render(arguments: argparse.Namespace, beam_flags: Sequence[str]) -> int:
    options = RenderOptions.from_arguments(arguments)
    from beam_deeplab.pipeline.render import render

    return render(options, beam_flags)


def _evaluate(arguments: argparse.Namespace, beam_flags: Sequence[str]) -> int:
    options = EvaluateOptions.from_arguments(arguments)
    from beam_deeplab.pipeline.evaluate import evaluate

    return evaluate(options, beam_flags)


def _export(arguments: argparse.Namespace, beam_flags: Sequence[str]) -> int:
    options = ExportOptions.from_arguments(arguments)
    from beam_deeplab.pipeline.export import export

    return export(options, beam_flags)


def _report(arguments: argparse.Namespace, _: Sequence[str]) -> int:
    options = ReportOptions.from_arguments(arguments)
    from beam_deeplab.pipeline.report import report

    return report(options)


def _train(arguments: argparse.Namespace, _: Sequence[str]) -> int:
    options = TrainOptions.from_arguments(arguments)
    from beam_deeplab.pipeline.train import train

    return train(options)


def _quantize(arguments: argparse.Namespace, _: Sequence[str]) -> int:
    options = QuantizeOptions.from_arguments(arguments)
    from beam_deeplab.pipeline.quantize import quantize

    return quantize(options)


def _add_models_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", nargs="?", metavar="NAME", help="say all of this model")


def _models(arguments: argparse.Namespace, _: Sequence[str]) -> int:
    from beam_deeplab.pipeline.reports.catalogue import print_model, print_models

    if arguments.name is None:
        print_models()
        return 0
    model = BUNDLED_MODELS.get(arguments.name) or find_model(arguments.name)
    if model is None:
        hint = " or ".join(closest_names(arguments.name)) or "see `beam-deeplab models`"
        raise UsageError(f"there is no model {arguments.name!r}: {hint}")
    print_model(model)
    return 0


def _add_classes_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", required=True, metavar="MODEL", help="a name or a path")
    add_labels_flag(parser)


def _classes(arguments: argparse.Namespace, _: Sequence[str]) -> int:
    from beam_deeplab.pipeline.recipes import find_model_spec, say_guesses
    from beam_deeplab.pipeline.reports.catalogue import print_classes

    model = find_model_spec(arguments.model, arguments.labels)
    say_guesses(model, known=("canvas",))
    print_classes(model.labels)
    return 0


def _demo_data(arguments: argparse.Namespace, _: Sequence[str]) -> int:
    options = DemoDataOptions.from_arguments(arguments)
    from beam_deeplab.pipeline.demo_data import make_demo_data

    return make_demo_data(options)


def _quickstart(arguments: argparse.Namespace, _: Sequence[str]) -> int:
    options = QuickstartOptions.from_arguments(arguments)
    from beam_deeplab.pipeline.quickstart import quickstart

    return quickstart(options)


COMMANDS: Mapping[str, Command] = {
    "quickstart": Command(
        "makes pictures, segments and scores them, and shows the result; needs no network",
        add_quickstart_flags,
        _quickstart,
        extra="report",
        when_interrupted="the same command begins anew",
    ),
    "segment": Command(
        "images in, masks and class areas in Parquet out",
        add_segment_flags,
        _segment,
        takes_beam_flags=True,
        when_interrupted=stopping.RESUME,
    ),
    "render": Command(
        "images in, portraits, cutouts or redacted pictures in Parquet out",
        add_render_flags,
        _render,
        takes_beam_flags=True,
        when_interrupted=stopping.RESUME,
    ),
    "evaluate": Command(
        "images and ground truth in, mIoU and its relatives out",
        add_evaluate_flags,
        _evaluate,
        takes_beam_flags=True,
        extra="report",
        when_interrupted=stopping.RESUME,
    ),
    "export": Command(
        "the masks or renders of a run as files of other tools",
        add_export_flags,
        _export,
        takes_beam_flags=True,
        when_interrupted=stopping.RESUME,
    ),
    "report": Command(
        "a page about a run: figures, and pictures with their masks",
        add_report_flags,
        _report,
        extra="report",
        when_interrupted="the same command begins anew",
    ),
    "train": Command(
        "pictures and truth in, a network that --model takes out",
        add_train_flags,
        _train,
        when_interrupted=stopping.RESUME,
    ),
    "quantize": Command(
        "a model and a sample of images in, a faster 8-bit model for CPUs out",
        add_quantize_flags,
        _quantize,
        extra="quantize",
        when_interrupted="the same command begins anew",
    ),
    "models": Command("the models that --model takes by name", _add_models_flags, _models),
    "classes": Command(
        "what a model tells apart: ids, names, genres and colours", _add_classes_flags, _classes
    ),
    "demo-data": Command(
        "makes pictures of which the truth is known",
        add_demo_data_flags,
        _demo_data,
        when_interrupted="the same command with --overwrite begins anew",
    ),
}


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


def parse(argv: Sequence[str]) -> tuple[argparse.Namespace, list[str], argparse.ArgumentParser]:
    """A command's own flags, what is left over for Beam, and the command's parser.

    Raises:
        UsageError: As :func:`pipeline.options.values.split_values`.
        SystemExit: ``--help``, ``--version``, or flags that argparse refuses.
    """
    parser, parsers = build_parser()
    command = COMMANDS.get(argv[0]) if argv else None
    if command is not None and command.takes_beam_flags:
        argv = [argv[0], *split_values(argv[1:], parsers[argv[0]])]
    arguments, left_over = parser.parse_known_args(argv)
    return arguments, left_over, parsers[arguments.command]


def run(argv: Sequence[str]) -> int:
    """Runs one command; gives the exit code 0.

    Raises:
        UsageError: Something that was asked for cannot be; the message says what to do.
        RunFailedError: The run failed.
        KeyboardInterrupt: A signal asks for an end; the message says what to do.
        SystemExit: ``--help``, ``--version``, or flags that argparse refuses.
    """
    arguments, left_over, own = parse(argv)
    command = COMMANDS[arguments.command]
    if left_over and not command.takes_beam_flags:
        own.error(f"unexpected argument {left_over[0]!r}")
    try:
        if left_over:
            from beam_deeplab.pipeline.beam_flags import check_flags

            ours = [name for action in own._actions for name in action.option_strings]
            check_flags(left_over, ours)
        if command.extra is not None:
            require_extra(command.extra)
        return command.run(arguments, left_over)
    except KeyboardInterrupt as interruption:
        raise KeyboardInterrupt(str(interruption) or command.when_interrupted) from interruption
