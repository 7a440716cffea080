"""ImageNet weights of ``keras.applications.MobileNetV2`` into the official names."""

from __future__ import annotations

import keras

from beam_deeplab.deeplab.architecture import DeepLabConfig
from beam_deeplab.deeplab.architecture.blocks import mobilenet_v2_blocks
from beam_deeplab.deeplab.architecture.layers import official_variables
from beam_deeplab.deeplab.training.config import ConfigError

PUBLISHED_MULTIPLIERS = (0.35, 0.5, 0.75, 1.0, 1.3, 1.4)
_SCOPE = "MobilenetV2/"
_VARIABLES = {
    "weights": "kernel",
    "depthwise_weights": "kernel",
    "gamma": "gamma",
    "beta": "beta",
    "moving_mean": "moving_mean",
    "moving_variance": "moving_variance",
}


def assign_keras_backbone(network: keras.Model, config: DeepLabConfig) -> None:
    """Assigns the backbone's variables from the weights that Keras downloads.

    Raises:
        ConfigError: It is no MobileNet-v2 whose channels are ImageNet's, so that Keras has no
            weights of it, or they cannot be downloaded.
    """
    multiplier = config.depth_multiplier
    fits = config.backbone == "mobilenet_v2" and mobilenet_v2_blocks(
        multiplier, config.channel_divisor
    ) == mobilenet_v2_blocks(multiplier, 8)
    if not fits or multiplier not in PUBLISHED_MULTIPLIERS:
        raise ConfigError(
            "[model] start = 'keras_applications' takes backbone = 'mobilenet_v2', "
            f"channel_divisor = 8 and a depth_multiplier of {PUBLISHED_MULTIPLIERS}"
        )
    try:
        classifier = keras.applications.MobileNetV2((224, 224, 3), multiplier, include_top=False)
    except Exception as error:  # whatever the download raises
        raise ConfigError(
            f"[model] start: Keras cannot download its weights ({type(error).__name__}: {error}); "
            "start from a file instead, or from scratch"
        ) from error
    assign_from_classifier(network, classifier)


def assign_from_classifier(network: keras.Model, classifier: keras.Model) -> None:
    """Assigns the backbone's variables from a ``keras.applications.MobileNetV2``."""
    for name, variable in official_variables(network).items():
        if name.startswith(_SCOPE):
            layer, attribute = keras_variable(name)
            variable.assign(getattr(classifier.get_layer(layer), attribute))


def keras_variable(name: str) -> tuple[str, str]:
    """The Keras layer and its attribute that hold a variable of the official MobileNet-v2."""
    *scopes, variable = name.removeprefix(_SCOPE).split("/")
    normalised = scopes[-1] == "BatchNorm"
    if normalised:
        scopes.pop()
    if scopes == ["Conv"]:
        layer = "bn_Conv1" if normalised else "Conv1"
    else:
        block, part = scopes
        number = block.removeprefix("expanded_conv").removeprefix("_")
        prefix = f"block_{number}_" if number else "expanded_conv_"
        layer = f"{prefix}{part}" + ("_BN" if normalised else "")
    return layer, _VARIABLES[variable]
