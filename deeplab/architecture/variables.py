"""Names and shapes of a network's variables, worked out without building it.

So a launcher can hold any weights against the network that they claim to be before a byte is
allocated for it, and without Keras or TensorFlow.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

from beam_deeplab.deeplab.architecture.blocks import mobilenet_v2_blocks, xception_modules
from beam_deeplab.deeplab.architecture.config import AsppConfig, DecoderConfig, DeepLabConfig

Shape: TypeAlias = tuple[int, ...]
Variables: TypeAlias = Iterator[tuple[str, Shape]]

_NORMALIZATION = ("gamma", "beta", "moving_mean", "moving_variance")


def variable_shapes(config: DeepLabConfig) -> dict[str, Shape]:
    """Shapes by official name of what :func:`deeplab.architecture.builder.build_network` makes.

    Those of ``official_variables(build_network(config))``.
    """
    return dict(_network(config))


def _network(config: DeepLabConfig) -> Variables:
    if config.backbone == "mobilenet_v2":
        blocks = mobilenet_v2_blocks(config.depth_multiplier, config.channel_divisor)
        channels, low_level = blocks[-1].outputs, blocks[2].expanded
        yield from _mobilenet_v2(config)
    else:
        channels, low_level = xception_modules(config.backbone)[-1].channels[-1], 256
        yield from _xception(config.backbone)
    if config.aspp is not None:
        yield from _aspp(config.aspp, channels)
        channels = config.aspp.channels
    if config.decoder is not None:
        yield from _decoder(config.decoder, channels, low_level)
        channels = config.decoder.channels
    yield "logits/semantic/weights", (1, 1, channels, config.num_classes)
    yield "logits/semantic/biases", (config.num_classes,)


def _mobilenet_v2(config: DeepLabConfig) -> Variables:
    blocks = mobilenet_v2_blocks(config.depth_multiplier, config.channel_divisor)
    yield from _convolution("MobilenetV2/Conv", 3, 3, blocks[0].inputs)
    for block in blocks:
        scope = f"MobilenetV2/{block.scope}"
        if block.expanded > block.inputs:
            yield from _convolution(f"{scope}/expand", 1, block.inputs, block.expanded)
        yield from _depthwise(f"{scope}/depthwise", block.expanded)
        yield from _convolution(f"{scope}/project", 1, block.expanded, block.outputs)


def _xception(backbone: str) -> Variables:
    entry = f"{backbone}/entry_flow"
    yield from _convolution(f"{entry}/conv1_1", 3, 3, 32)
    yield from _convolution(f"{entry}/conv1_2", 3, 32, 64)
    inputs = 64
    for module in xception_modules(backbone):
        scope = f"{backbone}/{module.scope}"
        channels = inputs
        for unit, outputs in enumerate(module.channels, start=1):
            yield from _separable(f"{scope}/separable_conv{unit}", channels, outputs)
            channels = outputs
        if module.skip == "conv":
            yield from _convolution(f"{scope}/shortcut", 1, inputs, channels)
        inputs = channels


def _aspp(config: AsppConfig, inputs: int) -> Variables:
    if config.image_pooling:
        yield from _convolution("image_pooling", 1, inputs, config.channels)
    yield from _convolution("aspp0", 1, inputs, config.channels)
    for branch in range(1, len(config.rates) + 1):
        if config.separable:
            yield from _separable(f"aspp{branch}", inputs, config.channels)
        else:
            yield from _convolution(f"aspp{branch}", 3, inputs, config.channels)
    joined = config.channels * (1 + config.image_pooling + len(config.rates))
    yield from _convolution("concat_projection", 1, joined, config.channels)


def _decoder(config: DecoderConfig, inputs: int, low_level: int) -> Variables:
    yield from _convolution("decoder/feature_projection0", 1, low_level, config.low_level_channels)
    channels = inputs + config.low_level_channels
    for index in range(2):
        if config.separable:
            yield from _separable(f"decoder/decoder_conv{index}", channels, config.channels)
        else:
            scope = f"decoder/decoder_conv0/decoder_conv0_{index + 1}"
            yield from _convolution(scope, 3, channels, config.channels)
        channels = config.channels


def _separable(scope: str, inputs: int, outputs: int) -> Variables:
    yield from _depthwise(f"{scope}_depthwise", inputs)
    yield from _convolution(f"{scope}_pointwise", 1, inputs, outputs)


def _depthwise(scope: str, channels: int) -> Variables:
    yield f"{scope}/depthwise_weights", (3, 3, channels, 1)
    yield from _normalized(scope, channels)


def _convolution(scope: str, kernel: int, inputs: int, outputs: int) -> Variables:
    yield f"{scope}/weights", (kernel, kernel, inputs, outputs)
    yield from _normalized(scope, outputs)


def _normalized(scope: str, channels: int) -> Variables:
    for name in _NORMALIZATION:
        yield f"{scope}/BatchNorm/{name}", (channels,)
