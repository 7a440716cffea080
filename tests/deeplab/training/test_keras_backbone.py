from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from beam_deeplab.deeplab.architecture import DeepLabConfig
from beam_deeplab.deeplab.architecture.builder import build_network
from beam_deeplab.deeplab.architecture.layers import official_variables
from beam_deeplab.deeplab.training.config import ConfigError
from tests.networks import feature_network, random_images, random_weights, relative_error


def _config(multiplier: float = 0.35, divisor: int | None = 8) -> DeepLabConfig:
    return DeepLabConfig(
        "mobilenet_v2", 3, 32, depth_multiplier=multiplier, channel_divisor=divisor
    )


def _classifier(multiplier: float) -> Any:
    """Of random weights: its own are batch statistics that say nothing."""
    import keras

    classifier = keras.applications.MobileNetV2(
        (65, 97, 3), multiplier, include_top=False, weights=None
    )
    kinds = {"kernel": "weights"}
    for variable in classifier.variables:
        kind = kinds.get(variable.name, variable.name)
        kind = "depthwise_weights" if variable.shape[-1] == 1 and kind == "weights" else kind
        name = f"{variable.path}/{kind}"
        value = random_weights({name: tuple(variable.shape)}, seed=len(variable.path))[name]
        variable.assign(value)
    return classifier


@pytest.mark.parametrize("multiplier", [0.35, 1.0])
def test_the_same_weights_give_the_same_features(multiplier: float) -> None:
    import keras

    from beam_deeplab.deeplab.training.keras_backbone import assign_from_classifier

    network = build_network(_config(multiplier), (65, 97))
    classifier = _classifier(multiplier)
    assign_from_classifier(network, classifier)
    # Keras goes on with one more convolution, which DeepLab leaves out.
    features = keras.Model(classifier.input, classifier.get_layer("block_16_project_BN").output)
    images = random_images(2, 65, 97)
    expected = features(images).numpy()
    assert expected.std() > 0.01
    assert relative_error(feature_network(network)(images).numpy(), expected) < 1e-4


def test_every_variable_of_the_backbone_is_assigned() -> None:
    from beam_deeplab.deeplab.training.keras_backbone import assign_from_classifier

    network = build_network(_config(), (65, 65))
    variables = official_variables(network)
    for variable in variables.values():
        variable.assign(np.full(variable.shape, np.nan, np.float32))
    assign_from_classifier(network, _classifier(0.35))
    unset = [name for name, variable in variables.items() if np.isnan(variable.numpy()).any()]
    assert unset == ["logits/semantic/weights", "logits/semantic/biases"]


@pytest.mark.parametrize(
    "config",
    [
        DeepLabConfig("xception_65", 3),
        _config(0.5, divisor=None),
        _config(0.4),
    ],
)
def test_backbones_without_published_weights_are_refused(config: DeepLabConfig) -> None:
    from beam_deeplab.deeplab.training.keras_backbone import assign_keras_backbone

    with pytest.raises(ConfigError, match="takes backbone = 'mobilenet_v2', channel_divisor = 8"):
        assign_keras_backbone(None, config)
