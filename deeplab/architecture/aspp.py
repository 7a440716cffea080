"""Atrous spatial pyramid pooling (DeepLab-v3, section 3.3; official ``deeplab/model.py``)."""

from __future__ import annotations

from keras import layers

from beam_deeplab.deeplab.architecture.config import AsppConfig
from beam_deeplab.deeplab.architecture.layers import (
    AlignedResize,
    ImageMean,
    Tensor,
    convolve,
    convolve_separable,
)

_EPSILON = 1e-5


def aspp(features: Tensor, config: AsppConfig, output_stride: int) -> Tensor:
    """Looks at the features at several scales and joins what it sees.

    The pooled branch has the size of the whole feature map, so it depends on the canvas.

    Args:
        features: The backbone's, [n, h, w, c].
        config: Which branches there are.
        output_stride: Of the features.

    Returns:
        Features [n, h, w, ``config.channels``].
    """
    branches = []
    if config.image_pooling:
        pooled = ImageMean(name="image_mean")(features)
        pooled = convolve(
            pooled, config.channels, 1, "image_pooling", epsilon=_EPSILON, activation="relu"
        )
        branches.append(AlignedResize(name="image_pooling.resize")([pooled, features]))
    branches.append(
        convolve(features, config.channels, 1, "aspp0", epsilon=_EPSILON, activation="relu")
    )
    for branch, rate in enumerate(config.rates_at(output_stride), start=1):
        scope = f"aspp{branch}"
        branches.append(
            convolve_separable(
                features, config.channels, scope, epsilon=_EPSILON, rate=rate, activation="relu"
            )
            if config.separable
            else convolve(
                features, config.channels, 3, scope, epsilon=_EPSILON, rate=rate, activation="relu"
            )
        )
    joined = layers.Concatenate(name="concat")(branches) if len(branches) > 1 else branches[0]
    return convolve(
        joined, config.channels, 1, "concat_projection", epsilon=_EPSILON, activation="relu"
    )
