"""What a benchmark found, as rows of a table and as named ratios."""

from __future__ import annotations

import os
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

_SHARED_VARIABLE = "DEEPLAB_SHARED"

Value = str | int | float | bool | None
"""A figure or a word in a table; None where there is none."""

Row = dict[str, Value]

BARS = (
    "engine_ratio",
    "engine_ratio_cpu",
    "engine_ratio_bf16",
    "engine_ratio_bf16_cpu",
    "engine_ratio_int8",
    "engine_ratio_int8_cpu",
    "small_ratio",
    "small_ratio_cpu",
    "small_ratio_default",
    "small_ratio_int8",
    "small_ratio_int8_cpu",
    "large_ratio",
    "large_ratio_cpu",
    "large_ratio_int8",
    "large_ratio_int8_cpu",
    "efficiency",
    "own_cpu_ms",
    "own_cpu_ms_large",
    "idle_share",
    "mask_ratio",
    "memory_growth",
    "help_seconds",
    "warm_start_extra_seconds",
)
"""The ratios by which the whole is judged; each belongs to one benchmark."""


@dataclass(frozen=True)
class Settings:
    """How much is measured, and on what.

    Attributes:
        workspace: Temporary folder for inputs and outputs.
        repeats: How often each contestant takes its turn.
        photos: Photos in the input of a pipeline.
        bars: Whether only the ratios of :data:`BARS` are wanted.
    """

    workspace: Path
    repeats: int = 3
    photos: int = 200
    bars: bool = False

    @property
    def shared(self) -> Path:
        """Folder with ``checkpoints`` and ``voc``."""
        folder = os.environ.get(_SHARED_VARIABLE)
        if not folder:
            raise SystemExit(
                f"set {_SHARED_VARIABLE} to the folder with the official checkpoints and VOC photos"
            )
        return Path(folder).resolve()

    @property
    def model(self) -> Path:
        """The official MobileNet-v2 network for PASCAL VOC."""
        return self.shared / "checkpoints" / "deeplabv3_mnv2_pascal_trainval"

    @property
    def frozen_graph(self) -> Path:
        """The same network as the official frozen graph, output stride 16."""
        return self.model / "frozen_inference_graph.pb"


@dataclass
class Measurement:
    """The outcome of one benchmark.

    Attributes:
        name: The module's name.
        title: What the table shows.
        rows: The table; all rows have the same columns.
        ratios: Figures of their own, some of them :data:`BARS`; None where this machine cannot give
            one, for a reason among the notes.
        notes: What a reader of the table must know, one sentence each.
    """

    name: str
    title: str
    rows: list[Row] = field(default_factory=list)
    ratios: dict[str, float | None] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def median(values: Sequence[float]) -> float:
    """The median of at least one repeat."""
    return float(statistics.median(values))


def spread(values: Sequence[float]) -> float:
    """Largest minus smallest repeat, as a share of the median."""
    return (max(values) - min(values)) / median(values)
