"""The decoder of DeepLab-v3+ (its paper, section 3.1; official ``refine_by_decoder``)."""

from __future__ import annotations

from keras import layers

from beam_deeplab.deeplab.architecture.config import DecoderConfig
from beam_deeplab.deeplab.architecture.layers import (
    AlignedResize,
    Tensor,
    convolve,
    convolve_separable,
)

_EPSILON = 1e-5
_SCOPE = "decoder"


def decode(features: Tensor, low_level: Tensor, config: DecoderConfig) -> Tensor:
    """Sharpens features with low-level ones.

    Args:
        features: The pyramid's, [n, h, w, c].
        low_level: The backbone's at stride 4, [n, H, W, d].
        config: Channels and kind of the convolutions.

    Returns:
        Features [n, H, W, ``config.channels``].
    """
    low_level = convolve(
        low_level,
        config.low_level_channels,
        1,
        f"{_SCOPE}/feature_projection0",
        epsilon=_EPSILON,
        activation="relu",
    )
    features = AlignedResize(name=f"{_SCOPE}.resize")([features, low_level])
    x = layers.Concatenate(name=f"{_SCOPE}.concat")([features, low_level])
    for index in range(2):
        x = (
            convolve_separable(
                x,
                config.channels,
                f"{_SCOPE}/decoder_conv{index}",
                epsilon=_EPSILON,
                activation="relu",
            )
            if config.separable
            else convolve(
                x,
                config.channels,
                3,
                f"{_SCOPE}/decoder_conv0/decoder_conv0_{index + 1}",
                epsilon=_EPSILON,
                activation="relu",
            )
        )
    return x
