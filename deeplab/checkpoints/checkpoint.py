"""One view of a network's weights, however they are kept."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from beam_deeplab.deeplab.architecture import DeepLabConfig
from beam_deeplab.deeplab.architecture.variables import variable_shapes
from beam_deeplab.deeplab.checkpoints.files import CheckpointError
from beam_deeplab.deeplab.checkpoints.structure import NO_FACTS, GraphFacts, infer_config
from beam_deeplab.deeplab.labels import LabelSet

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

DEFAULT_OUTPUT_STRIDE = 16
"""Of a network whose file does not say, as most official exports have it."""

_NAMES_SHOWN = 12
_LENGTH_SHOWN = 120


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Weights that can be read by their official names.

    Attributes:
        path: The checkpoint's prefix, the graph, or the weights file.
        shapes: Shape of each of the network's variables, by name; what only training needs
            (optimizer slots, moving averages of weights, the global step) is left out.
        digest: SHA-256, in hex, over the content of the files that hold the weights.
        read: Reads one variable as float32.
        config: The network, where it is written beside the weights (ours), at the output stride
            that it was saved with; else None.
        labels: Its classes, where they are written beside the weights; else None.
        canvas: (height, width) of the input that it is meant for, where that is known; else None.
        facts: What a frozen graph's operators say.
        choice: As :attr:`deeplab.checkpoints.files.WeightFiles.choice`.
    """

    path: Path
    shapes: Mapping[str, tuple[int, ...]]
    digest: str
    read: Callable[[str], NDArray[np.float32]]
    config: DeepLabConfig | None = None
    labels: LabelSet | None = None
    canvas: tuple[int, int] | None = None
    facts: GraphFacts = NO_FACTS
    choice: str = ""

    @property
    def output_stride(self) -> int | None:
        """Of the network as it was exported or saved; None where that is not known."""
        return self.facts.output_stride if self.config is None else self.config.output_stride

    def config_at(self, output_stride: int) -> DeepLabConfig:
        """The network for these weights, at an output stride: as written, else as inferred.

        Raises:
            CheckpointError: The variables are not those of a DeepLab network.
        """
        if self.config is not None:
            return dataclasses.replace(self.config, output_stride=output_stride)
        return infer_config(self.shapes, output_stride, self.facts)

    def check_loadable(self) -> None:
        """Makes sure that the variables are all of a network's, in its shapes, and can be read.

        Raises:
            CheckpointError: They are not; lists what is wrong.
        """
        config = self.config_at(self.output_stride or DEFAULT_OUTPUT_STRIDE)
        check_fit(self, variable_shapes(config), config.backbone)
        for name, shape in self.shapes.items():
            if self.read(name).shape != shape:
                raise CheckpointError(f"{name} of {self.path} is not of the shape that it claims")


def check_fit(checkpoint: Checkpoint, wanted: Mapping[str, tuple[int, ...]], network: str) -> None:
    """Makes sure that a checkpoint holds just what a network of this name wants, by its shapes.

    Raises:
        CheckpointError: Either side lacks a variable, or has it in another shape; lists both.
    """
    shapes = checkpoint.shapes
    wrong = [
        f"{name} {shapes[name]} for {shape}"
        for name, shape in wanted.items()
        if shapes.get(name, shape) != shape
    ]
    sides = (
        ("not in the checkpoint", wanted.keys() - shapes.keys()),
        ("not in the network", shapes.keys() - wanted.keys()),
        ("of another shape", wrong),
    )
    if any(names for _, names in sides):
        listed = "; ".join(f"{len(names)} {side}: {_some(names)}" for side, names in sides if names)
        raise CheckpointError(f"{checkpoint.path} does not fit {network}: {listed}")


def _some(names: Iterable[str]) -> str:
    ordered = sorted(map(brief, names))
    shown = ", ".join(ordered[:_NAMES_SHOWN])
    hidden = len(ordered) - _NAMES_SHOWN
    return f"{shown} and {hidden} more" if hidden > 0 else shown


def brief(value: object) -> str:
    """A name or shape of a file, in one line of bounded length whatever it holds."""
    text = " ".join(str(value).split())
    text = "".join(each if each.isprintable() else "?" for each in text)
    return text if len(text) <= _LENGTH_SHOWN else f"{text[:_LENGTH_SHOWN]}…"
