"""What a collection of scenes is drawn from; costs no import of NumPy or OpenCV."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

Split = Literal["test", "train", "held_out"]

SPLITS: tuple[Split, ...] = get_args(Split)
"""Scenes to measure on, scenes to train on, and scenes of emoji that training never sees."""

SEEDS = 2**32
"""Seeds and indices lie below; entropy from here on is reserved for the split ``train``."""

DEFAULT_SIZE = (256, 480)
SMALLEST_SIDE, LARGEST_SIDE = 32, 16383
"""Of a scene's long side: what shows something still, and what a WebP file can hold."""


@dataclass(frozen=True, slots=True)
class SceneSettings:
    """What scenes are drawn from.

    Attributes:
        size: The shortest and the longest long side in pixels, 32 to 16383.
        split: ``test`` and ``train`` hold the same emoji in different scenes; ``held_out`` holds
            only emoji that neither of them does.

    Raises:
        ValueError: There is no such split, or the sizes are out of range or in the wrong order.
    """

    size: tuple[int, int] = DEFAULT_SIZE
    split: Split = "test"

    def __post_init__(self) -> None:
        if self.split not in SPLITS:
            raise ValueError(f"the split is one of {', '.join(SPLITS)}, not {self.split!r}")
        if not SMALLEST_SIDE <= self.size[0] <= self.size[1] <= LARGEST_SIDE:
            raise ValueError(
                f"a size is the shortest and the longest long side, {SMALLEST_SIDE} to "
                f"{LARGEST_SIDE}, not {list(self.size)}"
            )


DEFAULT_SETTINGS = SceneSettings()
