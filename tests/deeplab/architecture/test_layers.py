from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from beam_deeplab.deeplab.architecture.layers import (
    AlignedResize,
    ImageMean,
    convolve,
    convolve_depthwise,
    official_variables,
)
from tests.networks import random_images, set_random_weights

sides = st.tuples(st.integers(1, 12), st.integers(1, 12))


@settings(max_examples=40, deadline=None)
@given(sides, sides)
def test_aligned_resize_is_tf1s(source: tuple[int, int], target: tuple[int, int]) -> None:
    x = random_images(2, *source)
    resized = AlignedResize()([x, np.zeros((2, *target, 5), np.float32)])
    expected = tf.compat.v1.image.resize_bilinear(x, target, align_corners=True)
    np.testing.assert_allclose(resized, expected, atol=1e-6)


@settings(max_examples=20, deadline=None)
@given(sides)
def test_aligned_resize_keeps_linear_ramps(target: tuple[int, int]) -> None:
    y, x = np.meshgrid(np.linspace(-1, 1, 5), np.linspace(0, 3, 7), indexing="ij")
    ramp = np.stack([y, x, y + x], -1)[None].astype(np.float32)
    resized = AlignedResize()([ramp, np.zeros((1, *target, 1), np.float32)])
    rows = np.linspace(-1, 1, target[0]) if target[0] > 1 else np.array([-1.0])
    columns = np.linspace(0, 3, target[1]) if target[1] > 1 else np.array([0.0])
    np.testing.assert_allclose(
        resized[0, :, :, 0], np.tile(rows[:, None], (1, len(columns))), atol=1e-6
    )
    np.testing.assert_allclose(resized[0, :, :, 1], np.tile(columns, (len(rows), 1)), atol=1e-6)


def test_aligned_resize_and_mean_follow_sizes_known_only_when_run() -> None:
    x, like = keras.Input((None, None, 3)), keras.Input((None, None, 1))
    model = keras.Model([x, like], [AlignedResize()([x, like]), ImageMean()(x)])
    assert model.output_shape == [(None, None, None, 3), (None, 1, 1, 3)]
    run = tf.function(model)
    for size in ((4, 7), (9, 2)):
        images = random_images(2, 3, 5)
        resized, mean = run([tf.constant(images), tf.zeros((2, *size, 1))])
        assert resized.shape == (2, *size, 3)
        np.testing.assert_allclose(mean, images.mean((1, 2), keepdims=True), atol=1e-6)


@pytest.mark.parametrize(
    "convolution", [convolve_depthwise, partial(convolve, channels=4, kernel=3)]
)
@pytest.mark.parametrize("size_is_known", [True, False])
@pytest.mark.parametrize("size", [(9, 9), (8, 12), (9, 8)])
def test_striding_keeps_every_second_point(
    size: tuple[int, int], size_is_known: bool, convolution: Callable[..., Any]
) -> None:
    def outputs(stride: int) -> Any:
        x = keras.Input((*(size if size_is_known else (None, None)), 3))
        network = keras.Model(x, convolution(x, scope="conv", epsilon=1e-3, stride=stride))
        set_random_weights(network)
        return network(random_images(2, *size))

    np.testing.assert_allclose(outputs(2), outputs(1)[:, ::2, ::2], atol=1e-5)


def test_variables_have_their_official_names() -> None:
    x = keras.Input((5, 5, 3))
    y = convolve_depthwise(
        convolve(x, 4, 1, "scope/conv", epsilon=1e-3), "scope/unit/conv_depthwise", epsilon=1e-3
    )
    y = keras.layers.Conv2D(2, 1, name="logits.semantic")(y)
    shapes = {k: tuple(v.shape) for k, v in official_variables(keras.Model(x, y)).items()}
    statistics = ("gamma", "beta", "moving_mean", "moving_variance")
    assert shapes == {
        "scope/conv/weights": (1, 1, 3, 4),
        **{f"scope/conv/BatchNorm/{name}": (4,) for name in statistics},
        "scope/unit/conv_depthwise/depthwise_weights": (3, 3, 4, 1),
        **{f"scope/unit/conv_depthwise/BatchNorm/{name}": (4,) for name in statistics},
        "logits/semantic/weights": (1, 1, 4, 2),
        "logits/semantic/biases": (2,),
    }
