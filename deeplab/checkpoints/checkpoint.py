"""One view of a network's weights, however they are kept."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from beam_deeplab.deeplab.architecture import DeepLabConfig
from beam_deeplab.deeplab.checkpoints.files import Format, find_weights
from beam_deeplab.deeplab.checkpoints.structure import infer_config
from beam_deeplab.deeplab.labels import LabelSet

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_OPTIMIZER_SLOTS = frozenset(
    {"Adagrad", "Adam", "Adam_1", "ExponentialMovingAverage", "Momentum", "RMSProp", "RMSProp_1"}
)
_TRAINING_STATE = frozenset({"global_step", "beta1_power", "beta2_power"})


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Weights that can be read by their official names.

    Attributes:
        path: The checkpoint's prefix, the graph, or the weights file.
        shapes: Shape of each of the network's variables, by name; what only training needs
            (optimizer slots, moving averages of weights, the global step) is left out.
        digest: SHA-256, in hex, over the content of the files that hold the weights.
        config: The network, where it is written beside the weights (ours), at the output stride
            that it was saved with; else None.
        labels: Its classes, where they are written beside the weights; else None.
        canvas: (height, width) of the input that it is meant for, likewise.
        read: Reads one variable as float32.
    """

    path: Path
    shapes: Mapping[str, tuple[int, ...]]
    digest: str
    read: Callable[[str], NDArray[np.float32]]
    config: DeepLabConfig | None = None
    labels: LabelSet | None = None
    canvas: tuple[int, int] | None = None

    def config_at(self, output_stride: int) -> DeepLabConfig:
        """The network for these weights, at an output stride: as written, else as inferred.

        Raises:
            CheckpointError: The variables are not those of a DeepLab network.
        """
        if self.config is not None:
            return dataclasses.replace(self.config, output_stride=output_stride)
        return infer_config(self.shapes, output_stride)


def open_checkpoint(path: str | Path) -> Checkpoint:
    """Opens weights; reading them waits until they are asked for.

    Args:
        path: As :func:`deeplab.checkpoints.find_weights`.

    Returns:
        The weights' view.

    Raises:
        CheckpointError: There are none, there are several, they are damaged, or of a kind that
            can carry code.
    """
    found = find_weights(path)
    digest = found.digest()
    config: DeepLabConfig | None = None
    labels: LabelSet | None = None
    canvas: tuple[int, int] | None = None
    if found.format is Format.TF1:
        from beam_deeplab.deeplab.checkpoints.tf1 import open_tf1

        shapes, read = open_tf1(found.path)
    elif found.format is Format.FROZEN_GRAPH:
        from beam_deeplab.deeplab.checkpoints.frozen_graph import open_frozen_graph

        shapes, read = open_frozen_graph(found.path)
    else:
        from beam_deeplab.deeplab.checkpoints.own import open_own

        own = open_own(found.path, digest)
        shapes, read = own.shapes, own.read
        config, labels, canvas = own.config, own.labels, own.canvas
    return Checkpoint(
        path=found.path,
        shapes={name: shape for name, shape in shapes.items() if _belongs_to_network(name)},
        digest=digest,
        read=read,
        config=config,
        labels=labels,
        canvas=canvas,
    )


def _belongs_to_network(name: str) -> bool:
    return name not in _TRAINING_STATE and name.rpartition("/")[2] not in _OPTIMIZER_SLOTS
