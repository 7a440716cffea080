"""The formats by name. A further one is a module that is entered here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from importlib import import_module
from typing import Any, Final

from beam_deeplab.deeplab.labels import LabelSet
from beam_deeplab.transforms.exporting.interface import Format
from beam_deeplab.transforms.parquet.schemas import MASKS, RENDERS

FORMATS: Final[Mapping[str, str]] = {
    "png": "label_pngs.LabelPngs",
    "coco": "coco.Coco",
    "cvat": "cvat.CvatMasks",
    "label-studio": "label_studio.LabelStudio",
    "huggingface": "hugging_face.HuggingFace",
    "files": "rendered_files.RenderedFiles",
}
"""Modules of this package and their classes, which are imported when they are needed."""

_OF_RENDERS: Final = frozenset({"files"})


def results_of(name: str) -> str:
    """What a format is made of: the ``masks`` of a run, or its ``renders``."""
    return RENDERS if name in _OF_RENDERS else MASKS


def format_flags(name: str) -> frozenset[str]:
    """The flags that a format takes."""
    return frozenset(each.name for each in fields(_class_of(name)) if each.name != "labels")


def make_format(name: str, labels: LabelSet, flags: Mapping[str, Any]) -> Format:
    """A format for a run's classes, with some of its flags set."""
    made: Format = _class_of(name)(labels, **flags)
    return made


def _class_of(name: str) -> Any:
    module, _, own = FORMATS[name].partition(".")
    return getattr(import_module(f"{__package__}.{module}"), own)
