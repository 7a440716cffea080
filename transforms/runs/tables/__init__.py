"""The tables that a commit makes from the shards: a module each, and their lists here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from beam_deeplab.transforms.parquet.schemas import MASKS, RENDERS
from beam_deeplab.transforms.runs.tables.class_areas import CLASS_AREAS
from beam_deeplab.transforms.runs.tables.images import IMAGES, RENDERED_IMAGES
from beam_deeplab.transforms.runs.tables.table import DerivedTable

TABLES: Final[Mapping[str, tuple[DerivedTable, ...]]] = {
    MASKS: (CLASS_AREAS, IMAGES),
    RENDERS: (RENDERED_IMAGES,),
}
"""Every table of what a run makes of images, in the order in which they are written."""
