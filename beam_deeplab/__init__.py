"""DeepLab-v3+ on Apache Beam: the public names, whatever else is called ``transforms`` beside them.

Names load when they are first used, so that records and geometry cost no import of Beam.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from beam_deeplab.deeplab.truth import TruthFormat as TruthFormat
    from beam_deeplab.deeplab.truth import TruthRule as TruthRule
    from beam_deeplab.transforms.evaluating.composites import EvaluateImages as EvaluateImages
    from beam_deeplab.transforms.evaluating.composites import SumTallies as SumTallies
    from beam_deeplab.transforms.evaluating.measures import Measures as Measures
    from beam_deeplab.transforms.evaluating.measures import measure as measure
    from beam_deeplab.transforms.evaluating.scoring import ImageScore as ImageScore
    from beam_deeplab.transforms.evaluating.tally import Tally as Tally
    from beam_deeplab.transforms.geometry import Canvas as Canvas
    from beam_deeplab.transforms.records import ClassArea as ClassArea
    from beam_deeplab.transforms.records import Failure as Failure
    from beam_deeplab.transforms.records import FailureCode as FailureCode
    from beam_deeplab.transforms.records import ImageRef as ImageRef
    from beam_deeplab.transforms.records import LabelledRef as LabelledRef
    from beam_deeplab.transforms.records import Original as Original
    from beam_deeplab.transforms.records import Segmentation as Segmentation
    from beam_deeplab.transforms.runs.commit_facts import CommitError as CommitError
    from beam_deeplab.transforms.runs.committing import CommitRun as CommitRun
    from beam_deeplab.transforms.runs.manifest import Manifest as Manifest
    from beam_deeplab.transforms.runs.manifest import RunRecord as RunRecord
    from beam_deeplab.transforms.runs.planning import PlanRun as PlanRun
    from beam_deeplab.transforms.runs.writing import BrokenShardError as BrokenShardError
    from beam_deeplab.transforms.runs.writing import WriteShards as WriteShards
    from beam_deeplab.transforms.segmenting.composites import SegmentImages as SegmentImages
    from beam_deeplab.transforms.segmenting.composites import SegmentShards as SegmentShards
    from beam_deeplab.transforms.segmenting.handler import DeepLabHandler as DeepLabHandler
    from beam_deeplab.transforms.segmenting.handler import Recipe as Recipe

_MODULES = {
    "deeplab.truth": ("TruthFormat", "TruthRule"),
    "transforms.evaluating.composites": ("EvaluateImages", "SumTallies"),
    "transforms.evaluating.measures": ("Measures", "measure"),
    "transforms.evaluating.scoring": ("ImageScore",),
    "transforms.evaluating.tally": ("Tally",),
    "transforms.geometry": ("Canvas",),
    "transforms.records": (
        "ClassArea",
        "Failure",
        "FailureCode",
        "ImageRef",
        "LabelledRef",
        "Original",
        "Segmentation",
    ),
    "transforms.runs.commit_facts": ("CommitError",),
    "transforms.runs.committing": ("CommitRun",),
    "transforms.runs.manifest": ("Manifest", "RunRecord"),
    "transforms.runs.planning": ("PlanRun",),
    "transforms.runs.writing": ("BrokenShardError", "WriteShards"),
    "transforms.segmenting.composites": ("SegmentImages", "SegmentShards"),
    "transforms.segmenting.handler": ("DeepLabHandler", "Recipe"),
}
_MODULE_BY_NAME = {name: module for module, names in _MODULES.items() for name in names}

__all__ = sorted([*_MODULE_BY_NAME, "__version__"])  # noqa: PLE0605 - one list to keep, not two


if TYPE_CHECKING:
    __version__: str


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("beam-deeplab")
    if name not in _MODULE_BY_NAME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_MODULE_BY_NAME[name]}"), name)
