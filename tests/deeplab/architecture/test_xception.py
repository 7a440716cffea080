"""Xception, ASPP and decoder against the official definition, written down a second time.

The reference uses plain TensorFlow operations on arrays by official name: slim's convolutions
with explicit padding, kernels dilated by inserting zeros, batch normalisation by its formula.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from numpy.typing import NDArray

from beam_deeplab.deeplab.architecture import AsppConfig, DecoderConfig, DeepLabConfig
from beam_deeplab.deeplab.architecture.builder import build_network
from beam_deeplab.deeplab.architecture.config import LOW_LEVEL_ENDPOINTS
from tests.networks import Weights, random_images, relative_error, set_random_weights


class Slim:
    """TF-slim's layers over stored weights; every weight that is used is remembered."""

    def __init__(self, weights: Weights, epsilon: float) -> None:
        self.weights, self.epsilon = weights, epsilon
        self.used: set[str] = set()

    def get(self, name: str) -> NDArray[np.float32]:
        self.used.add(name)
        return self.weights[name]

    def norm(self, x: Any, scope: str) -> Any:
        gamma, beta, mean, variance = (
            self.get(f"{scope}/BatchNorm/{name}")
            for name in ("gamma", "beta", "moving_mean", "moving_variance")
        )
        return gamma * (x - mean) / np.sqrt(variance + self.epsilon) + beta

    def conv(self, x: Any, scope: str, stride: int = 1, relu: bool = True) -> Any:
        kernel = self.get(f"{scope}/weights")
        pad = kernel.shape[0] // 2
        x = tf.pad(x, [[0, 0], [pad, pad], [pad, pad], [0, 0]])
        x = self.norm(tf.nn.conv2d(x, kernel, stride, "VALID"), scope)
        return tf.nn.relu(x) if relu else x

    def separable(self, x: Any, scope: str, stride: int, rate: int, relu: bool) -> Any:
        kernel = self.get(f"{scope}_depthwise/depthwise_weights")
        spread = np.zeros((2 * rate + 1, 2 * rate + 1, *kernel.shape[2:]), np.float32)
        spread[::rate, ::rate] = kernel
        x = tf.pad(x, [[0, 0], [rate, rate], [rate, rate], [0, 0]])
        x = tf.nn.depthwise_conv2d(x, spread, [1, stride, stride, 1], "VALID")
        x = self.norm(x, f"{scope}_depthwise")
        x = tf.nn.relu(x) if relu else x
        return self.conv(x, f"{scope}_pointwise", relu=relu)


# (block, units, stride, skip, relu inside, last block), as in the official xception_* functions.
MIDDLE = {"xception_41": 8, "xception_65": 16, "xception_71": 16}
ENTRY_STRIDES = {
    "xception_41": (2, 2, 2),
    "xception_65": (2, 2, 2),
    "xception_71": (2, 1, 2, 1, 2),
}
LOW_LEVEL_BLOCK = {"xception_41": "block2", "xception_65": "block2", "xception_71": "block3"}


def official_xception(
    images: NDArray[np.float32],
    weights: Weights,
    backbone: str,
    output_stride: int,
    multi_grid: tuple[int, int, int],
) -> tuple[Any, Any, set[str]]:
    """Features, the decoder's low-level features, and the names of the weights used."""
    slim = Slim(weights, 1e-3)
    x = slim.conv(images, f"{backbone}/entry_flow/conv1_1", stride=2)
    x = slim.conv(x, f"{backbone}/entry_flow/conv1_2")
    blocks = [
        (f"entry_flow/block{index}", 1, stride, "conv")
        for index, stride in enumerate(ENTRY_STRIDES[backbone], start=1)
    ]
    blocks += [("middle_flow/block1", MIDDLE[backbone], 1, "sum")]
    blocks += [("exit_flow/block1", 1, 2, "conv"), ("exit_flow/block2", 1, 1, "none")]
    low_level = None
    target, current, rate = output_stride // 2, 1, 1
    for block, units, block_stride, skip in blocks:
        last = block == "exit_flow/block2"
        grid = multi_grid if last else (1, 1, 1)
        for unit in range(1, units + 1):
            if current == target:
                stride, unit_rate, rate = 1, rate, rate * block_stride
            else:
                stride, unit_rate, current = block_stride, 1, current * block_stride
            scope = f"{backbone}/{block}/unit_{unit}/xception_module"
            residual = x
            for index in range(3):
                residual = slim.separable(
                    residual if last else tf.nn.relu(residual),
                    f"{scope}/separable_conv{index + 1}",
                    stride if index == 2 else 1,
                    unit_rate * grid[index],
                    relu=last,
                )
                if block == f"entry_flow/{LOW_LEVEL_BLOCK[backbone]}" and index == 1:
                    low_level = residual
            if skip == "conv":
                residual = residual + slim.conv(x, f"{scope}/shortcut", stride, relu=False)
            elif skip == "sum":
                residual = residual + x
            x = residual
    return x, low_level, slim.used


def official_head(
    features: Any, low_level: Any, weights: Weights, rates: tuple[int, int, int]
) -> tuple[Any, set[str]]:
    """Logits with ASPP and decoder, and the names of the weights used."""
    slim = Slim(weights, 1e-5)

    def resize(x: Any, like: Any) -> Any:
        return tf.compat.v1.image.resize_bilinear(x, like.shape[1:3], align_corners=True)

    pooled = slim.conv(tf.reduce_mean(features, (1, 2), keepdims=True), "image_pooling")
    branches = [resize(pooled, features), slim.conv(features, "aspp0")]
    for index, rate in enumerate(rates, start=1):
        branches.append(slim.separable(features, f"aspp{index}", 1, rate, relu=True))
    x = slim.conv(tf.concat(branches, 3), "concat_projection")
    low_level = slim.conv(low_level, "decoder/feature_projection0")
    x = tf.concat([resize(x, low_level), low_level], 3)
    x = slim.separable(x, "decoder/decoder_conv0", 1, 1, relu=True)
    x = slim.separable(x, "decoder/decoder_conv1", 1, 1, relu=True)
    kernel = slim.get("logits/semantic/weights")
    return tf.nn.conv2d(x, kernel, 1, "VALID") + slim.get("logits/semantic/biases"), slim.used


RATES: Mapping[int, tuple[int, int, int]] = {8: (12, 24, 36), 16: (6, 12, 18), 32: (3, 6, 9)}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("backbone", "output_stride", "multi_grid"),
    [
        ("xception_41", 32, (1, 2, 1)),
        ("xception_65", 16, (1, 1, 1)),
        ("xception_65", 8, (1, 1, 1)),
        ("xception_71", 16, (1, 2, 4)),
    ],
)
def test_the_whole_network_is_the_official_one(
    backbone: str, output_stride: int, multi_grid: tuple[int, int, int]
) -> None:
    config = DeepLabConfig(
        backbone,
        num_classes=5,
        output_stride=output_stride,
        multi_grid=multi_grid,
        aspp=AsppConfig(rates=(6, 12, 18)),
        decoder=DecoderConfig(LOW_LEVEL_ENDPOINTS[backbone]),
    )
    network = build_network(config, (65, 97))
    weights = set_random_weights(network)
    images = random_images(1, 65, 97)

    features, low_level, used = official_xception(
        images, weights, backbone, output_stride, multi_grid
    )
    expected, used_in_head = official_head(features, low_level, weights, RATES[output_stride])

    logits = np.asarray(network(images))
    assert logits.shape == (1, 17, 25, 5)
    assert relative_error(logits, expected.numpy()) < 1e-5
    assert used | used_in_head == set(weights)


def test_multi_grid_changes_the_last_module_only() -> None:
    config = DeepLabConfig("xception_41", num_classes=2)
    images = random_images(1, 33, 33)
    outputs = []
    for multi_grid in ((1, 1, 1), (1, 2, 4)):
        network = build_network(replace(config, multi_grid=multi_grid))
        set_random_weights(network)
        dilated = [
            layer.name
            for layer in network.layers
            if "depthwise" in layer.name and getattr(layer, "dilation_rate", (1, 1)) != (1, 1)
        ]
        assert all("exit_flow.block2" in name for name in dilated)
        outputs.append(np.asarray(network(images)))
    assert relative_error(outputs[1], outputs[0]) > 1e-3
