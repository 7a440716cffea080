"""MobileNet-v2 (Sandler et al., 2018) as DeepLab's backbone, up to ``layer_18``."""

from __future__ import annotations

from keras import layers

from beam_deeplab.deeplab.architecture.blocks import (
    InvertedResidual,
    mobilenet_v2_blocks,
    place_strides,
)
from beam_deeplab.deeplab.architecture.config import DeepLabConfig
from beam_deeplab.deeplab.architecture.layers import (
    Tensor,
    convolve,
    convolve_depthwise,
    layer_name,
)

_SCOPE = "MobilenetV2"
_EPSILON = 1e-3


def mobilenet_v2(images: Tensor, config: DeepLabConfig) -> tuple[Tensor, dict[str, Tensor]]:
    """Builds the backbone on images, float32 [n, h, w, 3] in [-1, 1].

    Returns:
        The features, linear, at ``config.output_stride``, and the output of each depthwise
        convolution by its official endpoint name.
    """
    blocks = mobilenet_v2_blocks(config.depth_multiplier, config.channel_divisor)
    stem = blocks[0].inputs
    x = convolve(images, stem, 3, f"{_SCOPE}/Conv", epsilon=_EPSILON, stride=2, activation="relu6")
    endpoints: dict[str, Tensor] = {}
    placed = place_strides(blocks, config.output_stride)
    for layer, (block, stride, rate) in enumerate(placed, start=2):
        x, depthwise = _inverted_residual(x, block, stride, rate)
        endpoints[f"layer_{layer}/depthwise_output"] = depthwise
    return x, endpoints


def _inverted_residual(
    x: Tensor, block: InvertedResidual, stride: int, rate: int
) -> tuple[Tensor, Tensor]:
    scope = f"{_SCOPE}/{block.scope}"
    y = x
    if block.expanded > block.inputs:
        y = convolve(y, block.expanded, 1, f"{scope}/expand", epsilon=_EPSILON, activation="relu6")
    depthwise = convolve_depthwise(
        y, f"{scope}/depthwise", epsilon=_EPSILON, stride=stride, rate=rate, activation="relu6"
    )
    y = convolve(depthwise, block.outputs, 1, f"{scope}/project", epsilon=_EPSILON)
    if stride == 1 and block.inputs == block.outputs:
        y = layers.Add(name=layer_name(f"{scope}/add"))([y, x])
    return y, depthwise
