"""Beam transforms for semantic segmentation, each beside the pure function that it maps.

Names load when they are first used, so that records and geometry cost no import of Beam.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from transforms.evaluating.composites import EvaluateImages as EvaluateImages
    from transforms.evaluating.composites import SumTallies as SumTallies
    from transforms.evaluating.measures import Measures as Measures
    from transforms.evaluating.measures import measure as measure
    from transforms.evaluating.scoring import ImageScore as ImageScore
    from transforms.evaluating.scoring import TruthRule as TruthRule
    from transforms.evaluating.tally import Tally as Tally
    from transforms.evaluating.truth import TruthFormat as TruthFormat
    from transforms.geometry import Canvas as Canvas
    from transforms.records import ClassArea as ClassArea
    from transforms.records import Failure as Failure
    from transforms.records import FailureCode as FailureCode
    from transforms.records import ImageRef as ImageRef
    from transforms.records import LabelledRef as LabelledRef
    from transforms.records import Segmentation as Segmentation
    from transforms.segmenting.composites import SegmentImages as SegmentImages
    from transforms.segmenting.composites import SegmentShards as SegmentShards
    from transforms.segmenting.handler import DeepLabHandler as DeepLabHandler
    from transforms.segmenting.handler import Recipe as Recipe
    from transforms.sink.committing import CommitError as CommitError
    from transforms.sink.committing import CommitRun as CommitRun
    from transforms.sink.manifest import Manifest as Manifest
    from transforms.sink.manifest import RunRecord as RunRecord
    from transforms.sink.writing import BrokenShardError as BrokenShardError
    from transforms.sink.writing import WriteShards as WriteShards
    from transforms.sources.planning import PlanRun as PlanRun

_MODULES = {
    "evaluating.composites": ("EvaluateImages", "SumTallies"),
    "evaluating.measures": ("Measures", "measure"),
    "evaluating.scoring": ("ImageScore", "TruthRule"),
    "evaluating.tally": ("Tally",),
    "evaluating.truth": ("TruthFormat",),
    "sink.committing": ("CommitError", "CommitRun"),
    "geometry": ("Canvas",),
    "segmenting.handler": ("DeepLabHandler", "Recipe"),
    "sink.manifest": ("Manifest", "RunRecord"),
    "records": ("ClassArea", "Failure", "FailureCode", "ImageRef", "LabelledRef", "Segmentation"),
    "segmenting.composites": ("SegmentImages", "SegmentShards"),
    "sink.writing": ("BrokenShardError", "WriteShards"),
    "sources.planning": ("PlanRun",),
}
_MODULE_BY_NAME = {name: module for module, names in _MODULES.items() for name in names}

__all__ = sorted(_MODULE_BY_NAME)  # noqa: PLE0605 - one list to keep, not two


def __getattr__(name: str) -> Any:
    if name not in _MODULE_BY_NAME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_MODULE_BY_NAME[name]}"), name)
