"""What DeepLab puts on a backbone: atrous spatial pyramid pooling, and the decoder of v3+."""

from __future__ import annotations

import functools

from keras import layers

from beam_deeplab.deeplab.architecture.config import AsppConfig, DecoderConfig
from beam_deeplab.deeplab.architecture.layers import (
    AlignedResize,
    ImageMean,
    Tensor,
    convolve,
    convolve_separable,
)

_convolve = functools.partial(convolve, epsilon=1e-5, activation="relu")
_separable = functools.partial(convolve_separable, epsilon=1e-5, activation="relu")


def aspp(features: Tensor, config: AsppConfig, output_stride: int) -> Tensor:
    """Looks at the backbone's features at several scales and joins what it sees.

    DeepLab-v3, section 3.3; official ``deeplab/model.py``. The pooled branch has the size of the
    whole feature map, so it depends on the canvas.

    Returns:
        Features [n, h, w, ``config.channels``] of features [n, h, w, c] at ``output_stride``.
    """
    channels = config.channels
    branches = []
    if config.image_pooling:
        pooled = _convolve(ImageMean(name="image_mean")(features), channels, 1, "image_pooling")
        branches.append(AlignedResize(name="image_pooling.resize")([pooled, features]))
    branches.append(_convolve(features, channels, 1, "aspp0"))
    for branch, rate in enumerate(config.rates_at(output_stride), start=1):
        branches.append(
            _separable(features, channels, f"aspp{branch}", rate=rate)
            if config.separable
            else _convolve(features, channels, 3, f"aspp{branch}", rate=rate)
        )
    joined = layers.Concatenate(name="concat")(branches) if len(branches) > 1 else branches[0]
    return _convolve(joined, channels, 1, "concat_projection")


def decode(features: Tensor, low_level: Tensor, config: DecoderConfig) -> Tensor:
    """Sharpens the pyramid's features with low-level ones, the backbone's at stride 4.

    DeepLab-v3+, section 3.1; official ``refine_by_decoder``.

    Returns:
        Features [n, H, W, ``config.channels``] of features [n, h, w, c] and low-level ones [n, H,
        W, d].
    """
    projection = "decoder/feature_projection0"
    low_level = _convolve(low_level, config.low_level_channels, 1, projection)
    features = AlignedResize(name="decoder.resize")([features, low_level])
    x = layers.Concatenate(name="decoder.concat")([features, low_level])
    for index in range(2):
        x = (
            _separable(x, config.channels, f"decoder/decoder_conv{index}")
            if config.separable
            else _convolve(
                x, config.channels, 3, f"decoder/decoder_conv0/decoder_conv0_{index + 1}"
            )
        )
    return x
