"""Models that ship inside this package: nothing to download, and the same on every worker."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class BundledModel:
    """One model of the package.

    Attributes:
        name: What ``--model`` takes.
        backbone: As in :class:`deeplab.architecture.DeepLabConfig`.
        depth_multiplier: Width of the backbone relative to the published one.
        dataset: What it was trained on.
        classes: Number of classes, the background included.
        miou: Its measured mean intersection over union, 0 to 1; its card says more.
        measured_on: What it was measured on.
    """

    name: str
    backbone: str
    depth_multiplier: float
    dataset: str
    classes: int
    miou: float
    measured_on: str

    @property
    def folder(self) -> Path:
        """Where its weights, their description and its card are."""
        return Path(str(resources.files("beam_deeplab.deeplab"))) / "bundled" / self.name

    @property
    def size_mb(self) -> float:
        """Size of its files in MB."""
        return sum(file.stat().st_size for file in self.folder.iterdir()) / 1e6


EMOJI_SCENES = BundledModel(
    name="emoji_scenes",
    backbone="mobilenet_v2",
    depth_multiplier=0.5,
    dataset="scenes of emoji (beam-deeplab demo-data)",
    classes=7,
    miou=0.88,
    measured_on="500 unseen scenes",
)
"""Tells people, animals, food, vehicles, plants and buildings apart, as emoji; see its card."""

BUNDLED_MODELS: Mapping[str, BundledModel] = MappingProxyType({EMOJI_SCENES.name: EMOJI_SCENES})
"""The models of the package by name."""
