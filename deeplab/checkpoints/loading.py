"""Official or own weights into a network, completely or not at all."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import keras

from beam_deeplab.deeplab.architecture import build_network, official_variables
from beam_deeplab.deeplab.checkpoints.checkpoint import Checkpoint, open_checkpoint
from beam_deeplab.deeplab.checkpoints.files import CheckpointError

_NAMES_SHOWN = 12


def load_network(
    path: str | Path, output_stride: int = 16, input_size: tuple[int, int] | None = None
) -> keras.Model:
    """Builds the network that weights belong to, with these weights.

    Args:
        path: As :func:`deeplab.checkpoints.find_weights`.
        output_stride: 8, 16 or 32.
        input_size: As :func:`deeplab.architecture.build_network`.

    Returns:
        The network.

    Raises:
        CheckpointError: The weights cannot be had, or are not exactly those of a network that
            is known here.
        ValueError: An input size that does not fit the output stride.
    """
    checkpoint = open_checkpoint(path)
    network = build_network(checkpoint.config_at(output_stride), input_size)
    assign_weights(network, checkpoint)
    return network


def assign_weights(network: keras.Model, checkpoint: Checkpoint) -> None:
    """Assigns every variable of a network from a checkpoint, using all of it.

    Raises:
        CheckpointError: Either side has a variable that the other lacks, or has it in another
            shape; lists both. The network is left as it was.
    """
    variables = official_variables(network)
    shapes = checkpoint.shapes
    wrong = [
        f"{name} {shapes[name]} for {tuple(variable.shape)}"
        for name, variable in variables.items()
        if name in shapes and shapes[name] != tuple(variable.shape)
    ]
    sides = (
        ("not in the checkpoint", variables.keys() - shapes.keys()),
        ("not in the network", shapes.keys() - variables.keys()),
        ("of another shape", wrong),
    )
    if any(names for _, names in sides):
        listed = "; ".join(f"{len(names)} {side}: {_some(names)}" for side, names in sides if names)
        raise CheckpointError(f"{checkpoint.path} does not fit {network.name}: {listed}")
    for name, variable in variables.items():
        variable.assign(checkpoint.read(name))


def _some(names: Iterable[str]) -> str:
    ordered = sorted(names)
    shown = ", ".join(ordered[:_NAMES_SHOWN])
    hidden = len(ordered) - _NAMES_SHOWN
    return f"{shown} and {hidden} more" if hidden > 0 else shown
