from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from beam_deeplab.deeplab.architecture.builder import build_network
from beam_deeplab.deeplab.architecture.layers import official_variables
from beam_deeplab.deeplab.checkpoints import CheckpointError, open_checkpoint
from beam_deeplab.deeplab.training.config import AsppSettings, DecoderSettings, ModelConfig
from beam_deeplab.deeplab.zoo import ModelNotFound
from tests.networks import random_weights, write_tf1_checkpoint
from tests.small_models import SMALL_CONFIG, write_small_checkpoint

DESCRIBED = ModelConfig(
    "voc",
    depth_multiplier=0.35,
    aspp=AsppSettings((3, 6), channels=8),
    decoder=DecoderSettings(4, 8),
)


@pytest.fixture(scope="module")
def segmenter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_small_checkpoint(tmp_path_factory.mktemp("segmenter"))


@pytest.fixture(scope="module")
def classifier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What slim's image classifiers hold: the backbone, a last convolution and their logits."""
    backbone = replace(SMALL_CONFIG, aspp=None, decoder=None)
    shapes = {
        name: tuple(variable.shape)
        for name, variable in official_variables(build_network(backbone)).items()
        if not name.startswith("logits/")
    }
    shapes |= {
        "MobilenetV2/Conv_1/weights": (1, 1, 112, 1280),
        "MobilenetV2/Logits/Conv2d_1c_1x1/weights": (1, 1, 1280, 1001),
        "MobilenetV2/Conv/weights/ExponentialMovingAverage": (3, 3, 3, 11),
    }
    folder = tmp_path_factory.mktemp("classifier")
    write_tf1_checkpoint(folder / "model.ckpt", random_weights(shapes, 4))
    return folder


def _start(config: ModelConfig, classes: int = 5, seed: int = 0) -> tuple[Any, Any]:
    from beam_deeplab.deeplab.training.starting import start_network

    return start_network(config, classes, (65, 65), seed)


def _values(network: Any) -> dict[str, Any]:
    return {name: v.numpy() for name, v in official_variables(network).items()}


@pytest.mark.slow
def test_new_weights_depend_on_the_seed_only() -> None:
    network, config = _start(DESCRIBED, seed=3)
    assert config == DESCRIBED.network(5)
    same, other = _values(_start(DESCRIBED, seed=3)[0]), _values(_start(DESCRIBED, seed=4)[0])
    for name, value in _values(network).items():
        np.testing.assert_array_equal(value, same[name])
        if name.endswith("/weights"):
            assert (value != other[name]).any()


def test_a_segmenter_is_taken_completely(segmenter: Path) -> None:
    network, config = _start(ModelConfig("voc", str(segmenter), output_stride=8))
    assert config == replace(SMALL_CONFIG, output_stride=8)
    checkpoint = open_checkpoint(segmenter)
    values = _values(network)
    assert values.keys() == checkpoint.shapes.keys()
    for name, value in values.items():
        np.testing.assert_array_equal(value, checkpoint.read(name))


def test_another_number_of_classes_remakes_the_last_layer_only(segmenter: Path) -> None:
    network, config = _start(ModelConfig("voc", str(segmenter)), classes=3)
    assert config == replace(SMALL_CONFIG, num_classes=3)
    checkpoint = open_checkpoint(segmenter)
    for name, value in _values(network).items():
        if name.startswith("logits/semantic/"):
            assert value.shape[-1] == 3
        else:
            np.testing.assert_array_equal(value, checkpoint.read(name))
    weights = _values(network)["logits/semantic/weights"]
    assert 0 < np.abs(weights).max() < 2


@pytest.mark.slow
def test_a_backbone_comes_from_an_image_classifier(classifier: Path) -> None:
    network, config = _start(replace(DESCRIBED, start=str(classifier)))
    assert config == DESCRIBED.network(5)
    checkpoint = open_checkpoint(classifier)
    new = _values(_start(DESCRIBED)[0])
    for name, value in _values(network).items():
        if name.startswith("MobilenetV2/"):
            np.testing.assert_array_equal(value, checkpoint.read(name))
        else:
            np.testing.assert_array_equal(value, new[name])


def test_a_backbone_of_other_channels_is_refused(classifier: Path) -> None:
    config = replace(DESCRIBED, start=str(classifier), channel_divisor=8)
    with pytest.raises(CheckpointError, match=r"does not fit the network that .model. describes"):
        _start(config)


def test_a_checkpoint_of_something_else_is_refused(tmp_path: Path) -> None:
    write_tf1_checkpoint(tmp_path / "model.ckpt", random_weights({"resnet/conv/weights": (1, 2)}))
    with pytest.raises(CheckpointError, match="neither a DeepLab network nor a backbone"):
        _start(replace(DESCRIBED, start=str(tmp_path)))


def test_a_start_that_is_nowhere_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFound):
        _start(replace(DESCRIBED, start=str(tmp_path / "none")))


def test_the_official_checkpoint_starts_a_training(mobilenet_checkpoint: Path) -> None:
    network, config = _start(ModelConfig("voc", str(mobilenet_checkpoint)), classes=7)
    assert (config.num_classes, config.depth_multiplier) == (7, 1.0)
    checkpoint = open_checkpoint(mobilenet_checkpoint)
    name = "MobilenetV2/expanded_conv_16/project/weights"
    np.testing.assert_array_equal(_values(network)[name], checkpoint.read(name))
