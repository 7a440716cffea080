"""The flags of ``beam-deeplab export``."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from beam_deeplab.pipeline.options.errors import UsageError
from beam_deeplab.pipeline.options.job import RunnerOptions, add_runner_flags
from beam_deeplab.pipeline.options.values import FlagOptions, add_again_flags, location, positive
from beam_deeplab.transforms.exporting.formats import FORMATS, format_flags

_FORMAT_FLAGS = ("palette", "orientation", "instances", "min_region", "panoptic")


@dataclass(frozen=True)
class ExportOptions(FlagOptions):
    """What ``beam-deeplab export`` was asked to do; local paths are absolute.

    Attributes:
        segmented: The output of the run.
        flags: Those of the format that were given.
    """

    segmented: str
    format: str
    output: str
    flags: Mapping[str, Any] = field(default_factory=dict)
    job: RunnerOptions = field(default_factory=RunnerOptions)
    resume: bool = False
    overwrite: bool = False

    @classmethod
    def from_arguments(cls, arguments: argparse.Namespace) -> ExportOptions:
        """Takes parsed flags.

        Raises:
            UsageError: A flag is of another format.
        """
        flags = {name: getattr(arguments, name) for name in _FORMAT_FLAGS}
        flags = {name: value for name, value in flags.items() if value not in (None, False)}
        for name in flags:
            if name not in format_flags(arguments.format):
                takers = ", ".join(each for each in FORMATS if name in format_flags(each))
                raise UsageError(f"--{name} is a flag of --format {takers}: leave it out")
        if "min_region" in flags and not arguments.instances:
            raise UsageError("--min_region leaves out small instances: give --instances too")
        return cls.take(arguments, flags=flags, job=RunnerOptions.take(arguments))


def add_export_flags(parser: argparse.ArgumentParser) -> None:
    """Adds the flags of ``export`` to its parser, in groups."""
    data = parser.add_argument_group("what goes in and comes out")
    data.add_argument(
        "segmented",
        type=location,
        metavar="RUN",
        help="output of a finished `segment` or `render`",
    )
    data.add_argument(
        "--format",
        required=True,
        choices=sorted(FORMATS),
        help="png: PNGs of class ids in VOC's folders, with lists of images and classes. cvat: the "
        "folder that CVAT imports, once zipped. coco: run lengths in JSON. label-studio: "
        "tasks with brush predictions. huggingface: images and masks in Parquet, as `load_dataset` "
        "takes them. files: the pictures of `render`",
    )
    data.add_argument(
        "--output",
        required=True,
        type=location,
        metavar="FOLDER",
        help="folder or gs:// prefix for the files; empty, or with an earlier export",
    )
    formats = parser.add_argument_group("formats")
    formats.add_argument(
        "--palette",
        action="store_true",
        help="png: indexed PNGs in the classes' colours, instead of grey ones. OpenCV, TensorFlow "
        "and Detectron2 read colours then, Pillow reads ids",
    )
    formats.add_argument(
        "--orientation",
        choices=("upright", "stored"),
        help="png, coco: masks as people see the photo, or as its file has the pixels (default "
        "upright for png, stored for coco)",
    )
    formats.add_argument(
        "--instances",
        action="store_true",
        help="coco, cvat: an annotation or object for each connected part of a class, instead of "
        "each class; for cvat the 255 largest",
    )
    formats.add_argument(
        "--min_region",
        type=positive,
        metavar="PIXELS",
        help="with --instances: leave smaller parts out",
    )
    formats.add_argument(
        "--panoptic", action="store_true", help="coco: its panoptic PNGs and JSON too"
    )
    run = add_runner_flags(parser)
    add_again_flags(
        run, "export", "continue the export in --output, begun with the same flags on the same run"
    )
