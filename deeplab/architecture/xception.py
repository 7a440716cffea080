"""The modified, aligned Xception of DeepLab-v3+.

Its paper's section 3.2 and the official ``deeplab/core/xception.py``: no max pooling, and batch
normalisation after each depthwise convolution.
"""

from __future__ import annotations

from keras import layers

from beam_deeplab.deeplab.architecture.blocks import XceptionModule, place_strides, xception_modules
from beam_deeplab.deeplab.architecture.config import DeepLabConfig
from beam_deeplab.deeplab.architecture.layers import (
    Tensor,
    convolve,
    convolve_separable,
    layer_name,
)

_EPSILON = 1e-3


def xception(images: Tensor, config: DeepLabConfig) -> tuple[Tensor, dict[str, Tensor]]:
    """Builds the backbone on images, float32 [n, h, w, 3] in [-1, 1].

    Returns:
        The features at ``config.output_stride``, and the output of each pointwise convolution by
        its official endpoint name (below the backbone's scope).
    """
    entry = f"{config.backbone}/entry_flow"
    x = convolve(images, 32, 3, f"{entry}/conv1_1", epsilon=_EPSILON, stride=2, activation="relu")
    x = convolve(x, 64, 3, f"{entry}/conv1_2", epsilon=_EPSILON, activation="relu")
    endpoints: dict[str, Tensor] = {}
    modules = xception_modules(config.backbone)
    for module, stride, rate in place_strides(modules, config.output_stride):
        grid = config.multi_grid if module.multi_grid else (1, 1, 1)
        rates = (rate * grid[0], rate * grid[1], rate * grid[2])
        x, outputs = xception_module(x, module, config.backbone, stride=stride, rates=rates)
        endpoints.update(outputs)
    return x, endpoints


def xception_module(
    x: Tensor,
    module: XceptionModule,
    backbone: str,
    *,
    stride: int,
    rates: tuple[int, int, int],
) -> tuple[Tensor, dict[str, Tensor]]:
    """One module, in features [n, h, w, c] of a backbone's scope: three convolutions and the skip.

    The third of them has the stride, as has a convolved skip; each has an atrous rate.

    Returns:
        The features, and the three pointwise outputs by their official endpoint names.
    """
    endpoints: dict[str, Tensor] = {}
    scope = f"{backbone}/{module.scope}"
    residual = x
    for unit, (channels, rate) in enumerate(zip(module.channels, rates, strict=True), start=1):
        name = f"separable_conv{unit}"
        if not module.activation_inside:
            residual = layers.ReLU(name=layer_name(f"{scope}/{name}/relu"))(residual)
        residual = convolve_separable(
            residual,
            channels,
            f"{scope}/{name}",
            epsilon=_EPSILON,
            stride=stride if unit == 3 else 1,
            rate=rate,
            activation="relu" if module.activation_inside else None,
        )
        endpoints[f"{module.scope}/{name}_pointwise"] = residual
    if module.skip == "none":
        return residual, endpoints
    skip = x
    if module.skip == "conv":
        skip = convolve(
            x, module.channels[-1], 1, f"{scope}/shortcut", epsilon=_EPSILON, stride=stride
        )
    return layers.Add(name=layer_name(f"{scope}/add"))([residual, skip]), endpoints
