"""Official or own weights into a network, completely or not at all."""

from __future__ import annotations

from pathlib import Path

import keras

from beam_deeplab.deeplab.architecture import build_network, official_variables
from beam_deeplab.deeplab.architecture.variables import variable_shapes
from beam_deeplab.deeplab.checkpoints.checkpoint import Checkpoint, check_fit, open_checkpoint


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
    config = checkpoint.config_at(output_stride)
    check_fit(checkpoint, variable_shapes(config), config.backbone)
    network = build_network(config, input_size)
    assign_weights(network, checkpoint)
    return network


def assign_weights(network: keras.Model, checkpoint: Checkpoint) -> None:
    """Assigns every variable of a network from a checkpoint, using all of it.

    Raises:
        CheckpointError: Either side has a variable that the other lacks, or has it in another
            shape; lists both. The network is left as it was.
    """
    variables = official_variables(network)
    wanted = {name: tuple(variable.shape) for name, variable in variables.items()}
    check_fit(checkpoint, wanted, network.name)
    for name, variable in variables.items():
        variable.assign(checkpoint.read(name))
