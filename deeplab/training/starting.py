"""The network that a training starts with: new, or from weights of a checkpoint."""

from __future__ import annotations

import dataclasses

import keras

from beam_deeplab.deeplab.architecture import DeepLabConfig
from beam_deeplab.deeplab.architecture.builder import build_network
from beam_deeplab.deeplab.architecture.layers import official_variables
from beam_deeplab.deeplab.checkpoints import Checkpoint, CheckpointError, open_checkpoint
from beam_deeplab.deeplab.training.config import KERAS_APPLICATIONS, SCRATCH, ModelConfig
from beam_deeplab.deeplab.training.keras_backbone import assign_keras_backbone
from beam_deeplab.deeplab.zoo import locate

LAST_LAYER = "logits/semantic/"
_NAMES_SHOWN = 4


def start_network(
    config: ModelConfig, num_classes: int, canvas: tuple[int, int], seed: int
) -> tuple[keras.Model, DeepLabConfig]:
    """Builds the network, for a canvas (height, width), and gives it its first weights.

    Raises:
        CheckpointError: The weights cannot be had, or do not fit.
        deeplab.zoo.ZooError: There is no such model.
        ConfigError: There is no such network.
    """
    keras.utils.set_random_seed(seed)
    if config.start in (SCRATCH, KERAS_APPLICATIONS):
        described = config.network(num_classes)
        network = build_network(described, canvas)
        if config.start == KERAS_APPLICATIONS:
            assign_keras_backbone(network, described)
        return network, described
    checkpoint = open_checkpoint(locate(config.start))
    if _is_segmenter(checkpoint):
        found = checkpoint.config_at(config.output_stride)
        described = dataclasses.replace(found, num_classes=num_classes)
        network = build_network(described, canvas)
        remade = found.num_classes != num_classes
        _assign(network, checkpoint, skipped=(LAST_LAYER,) if remade else ())
    else:
        described = config.network(num_classes)
        network = build_network(described, canvas)
        _assign_backbone(network, checkpoint)
    return network, described


def _assign_backbone(network: keras.Model, checkpoint: Checkpoint) -> None:
    """Assigns the backbone's variables from an official ImageNet classifier."""
    scopes = {name.partition("/")[0] for name in checkpoint.shapes}
    heads = {
        f"{name.partition('/')[0]}/"
        for name in official_variables(network)
        if name.partition("/")[0] not in scopes
    }
    if "MobilenetV2" not in scopes and not any(s.startswith("xception_") for s in scopes):
        raise CheckpointError(
            f"{checkpoint.path} is neither a DeepLab network nor a backbone that is known here"
        )
    _assign(network, checkpoint, skipped=tuple(heads))


def _is_segmenter(checkpoint: Checkpoint) -> bool:
    return checkpoint.config is not None or f"{LAST_LAYER}weights" in checkpoint.shapes


def _assign(network: keras.Model, checkpoint: Checkpoint, skipped: tuple[str, ...]) -> None:
    """Assigns all variables, or none, but for those whose names begin with what is skipped."""
    wanted = {
        name: variable
        for name, variable in official_variables(network).items()
        if not name.startswith(skipped or ("\0",))
    }
    unfit = [
        name
        for name, variable in wanted.items()
        if checkpoint.shapes.get(name) != tuple(variable.shape)
    ]
    if unfit or not wanted:
        shown = ", ".join(unfit[:_NAMES_SHOWN]) + (" …" if len(unfit) > _NAMES_SHOWN else "")
        raise CheckpointError(
            f"{checkpoint.path} does not fit the network that [model] describes: "
            f"{len(unfit)} of {len(wanted)} variables are missing or of another shape: {shown}"
        )
    for name, variable in wanted.items():
        variable.assign(checkpoint.read(name))
