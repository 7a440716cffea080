"""What a table made at the commit is: a name, a schema, and a pure function from shards' rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pyarrow as pa

from beam_deeplab.deeplab.labels import LabelSet


@dataclass(frozen=True, slots=True)
class Collection:
    """What all shards of an output have in common: its classes, and the folder of its images."""

    labels: LabelSet
    images_root: str = ""


@dataclass(frozen=True, slots=True)
class ShardRows:
    """What one shard has written, all columns but the pictures' bytes."""

    results: pa.Table
    failures: pa.Table


@dataclass(frozen=True, slots=True)
class DerivedTable:
    """A table of the whole output.

    Attributes:
        name: Of its folder below the output.
        schema: Its columns; ``image_uri`` is among them, by which rows are dealt to files.
        rows: Its rows of one shard.
    """

    name: str
    schema: Callable[[Collection], pa.Schema]
    rows: Callable[[ShardRows, Collection], pa.Table]
