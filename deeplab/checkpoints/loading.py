"""Weights from their files, and into a network: completely or not at all."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import TYPE_CHECKING

from beam_deeplab.deeplab.architecture.variables import variable_shapes
from beam_deeplab.deeplab.checkpoints.checkpoint import Checkpoint, brief, check_fit
from beam_deeplab.deeplab.checkpoints.files import CheckpointError, Format, find_weights
from beam_deeplab.deeplab.checkpoints.training_state import without_training_state

if TYPE_CHECKING:
    import keras


def open_checkpoint(path: str | Path) -> Checkpoint:
    """Opens weights; reading them waits until they are asked for.

    Args:
        path: As :func:`deeplab.checkpoints.find_weights`.

    Raises:
        CheckpointError: There are none, there are several, they are damaged or claim to be more
            than their files hold, or they are of a kind that can carry code.
    """
    found = find_weights(path)
    digest = found.digest()
    if found.format is Format.TF1:
        from beam_deeplab.deeplab.checkpoints.tensor_bundle import open_tensor_bundle

        checkpoint = open_tensor_bundle(found.path, digest)
    elif found.format is Format.FROZEN_GRAPH:
        from beam_deeplab.deeplab.checkpoints.frozen_graph import open_frozen_graph

        checkpoint = open_frozen_graph(found.path, digest)
    else:
        from beam_deeplab.deeplab.checkpoints.own import open_own

        checkpoint = open_own(found.path, digest)
    _check_sizes(checkpoint, sum(file.stat().st_size for file in found.files))
    return dataclasses.replace(
        checkpoint, shapes=without_training_state(checkpoint.shapes), choice=found.choice
    )


def _check_sizes(checkpoint: Checkpoint, file_bytes: int) -> None:
    """Refuses shapes that cannot be, before anything of their size is allocated."""
    for name, shape in checkpoint.shapes.items():
        if min(shape, default=0) < 0 or math.prod(shape) > file_bytes:
            raise CheckpointError(
                f"{checkpoint.path} claims a shape of {brief(shape)} for {brief(name)}, which "
                f"its {file_bytes} bytes do not hold"
            )
    if sum(map(math.prod, checkpoint.shapes.values())) > file_bytes:
        raise CheckpointError(
            f"{checkpoint.path} claims more values than its {file_bytes} bytes can hold"
        )


def load_network(
    path: str | Path, output_stride: int = 16, input_size: tuple[int, int] | None = None
) -> keras.Model:
    """Builds the network that weights belong to, with these weights.

    Args:
        path: As :func:`deeplab.checkpoints.find_weights`.
        output_stride: 8, 16 or 32.
        input_size: As :func:`deeplab.architecture.builder.build_network`.

    Raises:
        CheckpointError: The weights cannot be had, or are not exactly those of a network that is
            known here.
        ValueError: An input size that does not fit the output stride.
    """
    from beam_deeplab.deeplab.architecture.builder import build_network

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
    from beam_deeplab.deeplab.architecture.layers import official_variables

    variables = official_variables(network)
    wanted = {name: tuple(variable.shape) for name, variable in variables.items()}
    check_fit(checkpoint, wanted, network.name)
    for name, variable in variables.items():
        variable.assign(checkpoint.read(name))
