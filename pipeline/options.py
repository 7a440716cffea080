"""The flags of ``beam-deeplab segment``; imports neither Beam nor TensorFlow."""

from __future__ import annotations

import argparse
import re
from dataclasses import dataclass

from deeplab.engines.choice import ENGINES, PRECISIONS
from transforms.decoding.formats import DEFAULT_MAX_PIXELS
from transforms.sources.listing import absolute_pattern

BEAM_NOTE = """\
Every flag of Apache Beam is accepted too, for instance
  --runner=DataflowRunner --project=P --region=R --temp_location=gs://bucket/tmp
  --direct_num_workers=4 --direct_running_mode=multi_processing
Without --runner the job runs here, in this process.
Exit codes: 0 committed, 1 the run failed, 2 a flag or an argument is wrong."""


class UsageError(Exception):
    """What was asked cannot be done as asked; the message is one line that says what to do."""


class RunFailedError(Exception):
    """The run is not committed; the message is one line that says what to do."""


@dataclass(frozen=True)
class SegmentOptions:
    """What ``beam-deeplab segment`` was asked to do.

    Attributes:
        input: Globs, paths, folders and manifests; local ones absolute.
        output: Folder of the results; absolute if local.
        model: A zoo name, a path (absolute if local) or a ``gs://`` path.
        labels: A JSON file of class names and colours; None for the model's own.
        canvas: (height, width) of the network's input; None for the model's own.
        bucketed: Whether narrower canvases spare pictures their padding (``--canvas auto``).
        engine: ``auto``, ``tensorflow`` or ``openvino``.
        precision: ``f32``, ``bf16`` or ``f16``.
        output_stride: Of the backbone, 8 or 16.
        workers: Threads or processes of a local run; None for what suits the machine.
        accelerator: Of remote workers, as Beam's resource hint takes it.
        min_ram_per_worker: Of remote workers, as Beam's resource hint takes it.
        shard_size: Images that are written together; None for what suits the run.
        max_pixels: Pictures that claim more are refused before they are decoded.
        resume: Continue the run in the output: what is new, changed, failed or unfinished.
        overwrite: Remove the run in the output first.
        dry_run: Look, measure and estimate; write nothing.
        max_failure_fraction: Above this share of failures the run counts as failed.
        quiet: No progress and no summary.
        verbose: The libraries' logs, tracebacks included.
    """

    input: tuple[str, ...]
    output: str
    model: str
    labels: str | None = None
    canvas: tuple[int, int] | None = None
    bucketed: bool = False
    engine: str = "auto"
    precision: str = "f32"
    output_stride: int = 16
    workers: int | None = None
    accelerator: str | None = None
    min_ram_per_worker: str | None = None
    shard_size: int | None = None
    max_pixels: int = DEFAULT_MAX_PIXELS
    resume: bool = False
    overwrite: bool = False
    dry_run: bool = False
    max_failure_fraction: float = 0.01
    quiet: bool = False
    verbose: bool = False

    @classmethod
    def from_arguments(cls, arguments: argparse.Namespace) -> SegmentOptions:
        """Takes parsed flags.

        Raises:
            UsageError: ``--canvas`` is neither ``official`` nor ``auto`` nor two sizes.
        """
        return cls(
            input=tuple(absolute_pattern(pattern) for pattern in arguments.input),
            output=absolute_pattern(arguments.output),
            model=arguments.model,
            labels=arguments.labels,
            canvas=_canvas(arguments.canvas),
            bucketed=arguments.canvas == ["auto"],
            engine=arguments.engine,
            precision=arguments.precision,
            workers=arguments.workers,
            accelerator=arguments.accelerator,
            min_ram_per_worker=arguments.min_ram_per_worker,
            output_stride=arguments.output_stride,
            shard_size=arguments.shard_size,
            max_pixels=arguments.max_pixels,
            resume=arguments.resume,
            overwrite=arguments.overwrite,
            dry_run=arguments.dry_run,
            max_failure_fraction=arguments.max_failure_fraction,
            quiet=arguments.quiet,
            verbose=arguments.verbose,
        )

    def resource_hints(self) -> dict[str, str]:
        """Beam's resource hints for the workers, those that were given."""
        hints = {"accelerator": self.accelerator, "min_ram": self.min_ram_per_worker}
        return {name: value for name, value in hints.items() if value is not None}


def is_local(uri: str) -> bool:
    """Whether a path names this machine's file system: it has no ``scheme://``."""
    return re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", uri) is None


def add_segment_flags(parser: argparse.ArgumentParser) -> None:
    """Adds the flags of ``segment`` to its parser, in groups."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = BEAM_NOTE
    data = parser.add_argument_group("what goes in and comes out")
    data.add_argument(
        "--input",
        action="extend",
        nargs="+",
        required=True,
        metavar="PATTERN",
        help="globs ('photos/**/*.jpg', 'gs://bucket/photos/*'), paths, folders, or a manifest: "
        ".txt with one URI a line, .csv or .parquet with a column image_uri; repeatable",
    )
    data.add_argument(
        "--output", required=True, metavar="FOLDER", help="folder or gs:// prefix for the results"
    )
    data.add_argument(
        "--max_pixels",
        type=_positive,
        default=DEFAULT_MAX_PIXELS,
        metavar="N",
        help="refuse pictures that claim more pixels, before decoding (default %(default)s)",
    )
    network = parser.add_argument_group("the network")
    network.add_argument(
        "--model",
        required=True,
        metavar="MODEL",
        help="a name of `beam-deeplab models`, or a local or gs:// path of a checkpoint, "
        "frozen graph or archive",
    )
    add_labels_flag(network)
    network.add_argument(
        "--canvas",
        nargs="+",
        default=["official"],
        metavar=("official|auto|H", "W"),
        help="the network's input size; pictures that are larger are reduced to fit. official "
        "(default): the model's own; auto: as official, but padded less where the picture is "
        "not square, which is faster and can change labels a little",
    )
    network.add_argument(
        "--engine",
        choices=ENGINES,
        default="auto",
        help="what computes the network (default auto: TensorFlow on a GPU, else OpenVINO)",
    )
    network.add_argument(
        "--precision",
        choices=PRECISIONS,
        default="f32",
        help="of the arithmetic; bf16 is faster where the CPU or GPU has it, and changes some "
        "labels at boundaries (default %(default)s)",
    )
    network.add_argument(
        "--output_stride",
        type=int,
        choices=(8, 16),
        default=16,
        help="8 is finer and about four times slower (default %(default)s)",
    )
    run = parser.add_argument_group("the run")
    run.add_argument(
        "--workers",
        type=_positive,
        metavar="N",
        help="threads of a local run, or processes with --direct_running_mode=multi_processing "
        "(default: what suits this machine)",
    )
    run.add_argument(
        "--accelerator",
        metavar="HINT",
        help="resource hint for remote workers: type:nvidia-tesla-t4;count:1;install-nvidia-driver",
    )
    run.add_argument(
        "--min_ram_per_worker",
        metavar="HINT",
        help="resource hint for remote workers: 16GB",
    )
    run.add_argument(
        "--shard_size",
        type=_positive,
        metavar="N",
        help="images that are written together (default: at most 64, fewer for small runs)",
    )
    again = run.add_mutually_exclusive_group()
    again.add_argument(
        "--resume",
        action="store_true",
        help="continue the run in --output: only images that are new, changed, failed or "
        "unfinished are worked on",
    )
    again.add_argument(
        "--overwrite",
        action="store_true",
        help="remove the run in --output (its own files only) and start anew",
    )
    run.add_argument(
        "--dry_run",
        action="store_true",
        help="count the inputs, try the model on a few, estimate time and memory; write nothing",
    )
    run.add_argument(
        "--max_failure_fraction",
        type=_fraction,
        default=0.01,
        metavar="F",
        help="exit with 1 if more than this share of the images failed; what succeeded is "
        "committed either way (default %(default)s)",
    )
    run.add_argument("--quiet", action="store_true", help="no progress and no summary")
    run.add_argument(
        "--verbose", action="store_true", help="show the libraries' logs, tracebacks included"
    )


def add_labels_flag(parser: argparse._ActionsContainer) -> None:
    """Adds ``--labels``, which two commands take."""
    parser.add_argument(
        "--labels",
        metavar="FILE",
        help="JSON with the names, and if you like colours, of the model's classes: "
        '["road", {"name": "sky", "color": [70, 130, 180]}] (default: the dataset\'s)',
    )


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise ValueError(text)
    return value


def _fraction(text: str) -> float:
    value = float(text)
    if not 0 <= value <= 1:
        raise ValueError(text)
    return value


def _canvas(words: list[str]) -> tuple[int, int] | None:
    if words in (["official"], ["auto"]):
        return None
    if len(words) == 2 and all(word.isdigit() for word in words):
        return int(words[0]), int(words[1])
    raise UsageError(
        f"--canvas {' '.join(words)}: give 'official', 'auto', or height and width: 513 513"
    )
