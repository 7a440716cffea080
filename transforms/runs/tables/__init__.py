"""The tables that a commit makes from the shards: a module each, and their list here."""

from __future__ import annotations

from beam_deeplab.transforms.runs.tables.class_areas import CLASS_AREAS
from beam_deeplab.transforms.runs.tables.images import IMAGES

TABLES = (CLASS_AREAS, IMAGES)
"""Every table, in the order in which they are written."""
