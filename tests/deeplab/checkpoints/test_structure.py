from __future__ import annotations

import json
from pathlib import Path

import pytest

from beam_deeplab.deeplab.architecture import AsppConfig, DecoderConfig, DeepLabConfig
from beam_deeplab.deeplab.architecture.blocks import mobilenet_v2_blocks
from beam_deeplab.deeplab.architecture.config import LOW_LEVEL_ENDPOINTS
from beam_deeplab.deeplab.checkpoints import CheckpointError, infer_config

Shapes = dict[str, tuple[int, ...]]


def _mobilenet_shapes(multiplier: float, divisor: int | None, classes: int = 21) -> Shapes:
    blocks = mobilenet_v2_blocks(multiplier, divisor)
    shapes: Shapes = {"MobilenetV2/Conv/weights": (3, 3, 3, blocks[0].inputs)}
    for block in blocks:
        shape = (1, 1, block.expanded, block.outputs)
        shapes[f"MobilenetV2/{block.scope}/project/weights"] = shape
    features = blocks[-1].outputs
    shapes["image_pooling/weights"] = shapes["aspp0/weights"] = (1, 1, features, 256)
    shapes["concat_projection/weights"] = (1, 1, 512, 256)
    shapes["logits/semantic/weights"] = (1, 1, 256, classes)
    return shapes


def test_the_official_xception_65(shared: Path) -> None:
    listing = shared / "checkpoints" / "deeplabv3_pascal_trainval" / "variables.json"
    shapes = {name: tuple(shape) for name, shape in json.loads(listing.read_text()).items()}
    assert infer_config(shapes, 8) == DeepLabConfig(
        "xception_65",
        num_classes=21,
        output_stride=8,
        aspp=AsppConfig((6, 12, 18), image_pooling=True, separable=True, channels=256),
        decoder=DecoderConfig(LOW_LEVEL_ENDPOINTS["xception_65"], 48, 256, separable=True),
    )


@pytest.mark.parametrize("multiplier", [0.25, 0.35, 0.5, 0.75, 1.0, 1.25, 1.3, 1.4, 2.0])
@pytest.mark.parametrize("divisor", [None, 8])
def test_depth_multipliers_and_classes(multiplier: float, divisor: int | None) -> None:
    shapes = _mobilenet_shapes(multiplier, divisor, classes=151)
    config = infer_config(shapes)
    assert config.num_classes == 151
    assert config.aspp == AsppConfig()
    assert config.decoder is None
    assert _mobilenet_shapes(config.depth_multiplier, config.channel_divisor, 151) == shapes


def test_published_multipliers_are_told_exactly() -> None:
    for multiplier in (1.0, 0.5, 0.35, 0.75, 1.3, 1.4):
        config = infer_config(_mobilenet_shapes(multiplier, None))
        assert (config.depth_multiplier, config.channel_divisor) == (multiplier, None)


def test_channels_of_no_multiplier() -> None:
    shapes = _mobilenet_shapes(1.0, None)
    shapes["MobilenetV2/expanded_conv_9/project/weights"] = (1, 1, 384, 65)
    with pytest.raises(CheckpointError, match=r"no depth multiplier .* 65,"):
        infer_config(shapes)


def test_a_network_without_pyramid() -> None:
    shapes = _mobilenet_shapes(1.0, None)
    for name in ("image_pooling/weights", "aspp0/weights", "concat_projection/weights"):
        del shapes[name]
    assert infer_config(shapes).aspp is None


def test_unpublished_rates_are_not_guessed() -> None:
    shapes = _mobilenet_shapes(1.0, None)
    shapes["aspp1_depthwise/depthwise_weights"] = (3, 3, 320, 1)
    with pytest.raises(CheckpointError, match="atrous rates of 1 ASPP branches are not known"):
        infer_config(shapes)


@pytest.mark.parametrize(
    "shapes",
    [
        {},
        {"resnet_v1_101/conv1/weights": (7, 7, 3, 64)},
        {"MobilenetV2/Conv/weights": (1,), "xception_65/entry_flow/conv1_1/weights": (1,)},
    ],
)
def test_other_networks(shapes: Shapes) -> None:
    with pytest.raises(CheckpointError, match="no network is known with the variables of"):
        infer_config(shapes)


def test_a_classifier_is_not_a_segmentation_network() -> None:
    shapes = _mobilenet_shapes(1.0, None)
    del shapes["logits/semantic/weights"]
    with pytest.raises(CheckpointError, match="has no logits/semantic/weights"):
        infer_config(shapes)
