"""The few layers that DeepLab is made of, on Keras 3 and any of its backends.

Layers carry the official TF1 scopes as names, with dots for slashes (Keras forbids slashes);
:func:`official_variables` turns the variables' names back.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import layers, ops

Tensor = Any

_VARIABLE_NAMES = {
    layers.Conv2D: (("kernel", "weights"), ("bias", "biases")),
    layers.DepthwiseConv2D: (("kernel", "depthwise_weights"),),
    layers.BatchNormalization: tuple(
        (name, name) for name in ("gamma", "beta", "moving_mean", "moving_variance")
    ),
}


def official_variables(network: keras.Model) -> dict[str, keras.Variable]:
    """The network's variables by their official TF1 names, in the network's order."""
    variables: dict[str, keras.Variable] = {}
    for layer in network.layers:
        for attribute, name in _VARIABLE_NAMES.get(type(layer), ()):
            variable = getattr(layer, attribute)
            if variable is not None:
                variables[f"{layer.name.replace('.', '/')}/{name}"] = variable
    return variables


def layer_name(scope: str) -> str:
    """The Keras name of the layer for an official scope."""
    return scope.replace("/", ".")


def normalize(x: Tensor, scope: str, epsilon: float, activation: str | None) -> Tensor:
    """Batch normalisation with stored statistics, then the activation."""
    x = layers.BatchNormalization(epsilon=epsilon, name=layer_name(f"{scope}/BatchNorm"))(x)
    if activation is None:
        return x
    return layers.Activation(activation, name=layer_name(f"{scope}/{activation}"))(x)


def convolve(
    x: Tensor,
    channels: int,
    kernel: int,
    scope: str,
    *,
    epsilon: float,
    stride: int = 1,
    rate: int = 1,
    activation: str | None = None,
) -> Tensor:
    """A normalised convolution without bias.

    Args:
        x: Features, [n, h, w, c].
        channels: Output channels.
        kernel: Odd side of the kernel.
        scope: Official scope.
        epsilon: Of the batch normalisation.
        stride: 1 or 2.
        rate: Atrous rate; 1 where the stride is not.
        activation: Name of a Keras activation, or None.
    """
    x, padding = _pad(x, kernel, stride, scope)
    x = layers.Conv2D(
        channels,
        kernel,
        strides=stride,
        padding=padding,
        dilation_rate=rate,
        use_bias=False,
        name=layer_name(scope),
    )(x)
    return normalize(x, scope, epsilon, activation)


def convolve_depthwise(
    x: Tensor,
    scope: str,
    *,
    epsilon: float,
    stride: int = 1,
    rate: int = 1,
    activation: str | None = None,
) -> Tensor:
    """A normalised 3x3 depthwise convolution without bias; see :func:`convolve`."""
    x, padding = _pad(x, 3, stride, scope)
    x = layers.DepthwiseConv2D(
        3,
        strides=stride,
        padding=padding,
        dilation_rate=rate,
        use_bias=False,
        name=layer_name(scope),
    )(x)
    return normalize(x, scope, epsilon, activation)


def convolve_separable(
    x: Tensor,
    channels: int,
    scope: str,
    *,
    epsilon: float,
    stride: int = 1,
    rate: int = 1,
    activation: str | None = None,
) -> Tensor:
    """A depthwise 3x3 and a pointwise convolution, each normalised and activated.

    The official ``split_separable_conv2d``, under ``scope_depthwise`` and ``scope_pointwise``.
    """
    x = convolve_depthwise(
        x, f"{scope}_depthwise", epsilon=epsilon, stride=stride, rate=rate, activation=activation
    )
    return convolve(x, channels, 1, f"{scope}_pointwise", epsilon=epsilon, activation=activation)


def _pad(x: Tensor, kernel: int, stride: int, scope: str) -> tuple[Tensor, str]:
    """Keeps the grids of all strides aligned at the first pixel.

    ``same`` pads an even side only at its end when it strides, which shifts the features by a
    pixel; the same zeros on both sides do not (official ``fixed_padding``). On odd sides the two
    agree, and ``same`` spares the copy.
    """
    odd_sides = all(side is not None and side % 2 for side in x.shape[1:3])
    if stride == 1 or kernel == 1 or odd_sides:
        return x, "same"
    return layers.ZeroPadding2D(kernel // 2, name=layer_name(f"{scope}/pad"))(x), "valid"


@keras.saving.register_keras_serializable("deeplab")
class ImageMean(layers.Layer):
    """The mean over the whole feature map, [n, h, w, c] to [n, 1, 1, c]."""

    def call(self, x: Tensor) -> Tensor:
        """Averages in float32, whatever the precision of the features."""
        mean = ops.mean(ops.cast(x, "float32"), axis=(1, 2), keepdims=True)
        return ops.cast(mean, self.compute_dtype)

    def compute_output_shape(self, shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """One point an image."""
        return (shape[0], 1, 1, shape[3])


@keras.saving.register_keras_serializable("deeplab")
class AlignedResize(layers.Layer):
    """Bilinear resizing to the size of other features; the corner points stay corner points.

    TF1's ``resize_bilinear(align_corners=True)``, which no Keras resize offers: out of m points,
    output point i of n lies at i (m - 1) / (n - 1).
    """

    def call(self, inputs: tuple[Tensor, Tensor]) -> Tensor:
        """Resizes the first features, [n, h, w, c], to the height and width of the second."""
        x, like = inputs
        for axis in (1, 2):
            x = _resize_axis(x, axis, ops.shape(like)[axis])
        return x

    def compute_output_shape(
        self, shapes: tuple[tuple[int | None, ...], tuple[int | None, ...]]
    ) -> tuple[int | None, ...]:
        """Batch and channels of the first features, height and width of the second."""
        x, like = shapes
        return (x[0], like[1], like[2], x[3])


def _resize_axis(x: Tensor, axis: int, points: Any) -> Tensor:
    last = ops.shape(x)[axis] - 1
    scale = ops.cast(last, "float32") / ops.cast(ops.maximum(points - 1, 1), "float32")
    position = ops.cast(ops.arange(points), "float32") * scale
    lower = ops.minimum(ops.cast(ops.floor(position), "int32"), last)
    upper = ops.minimum(lower + 1, last)
    weight = ops.cast(position - ops.cast(lower, "float32"), x.dtype)
    weight = ops.reshape(weight, (-1, 1, 1) if axis == 1 else (-1, 1))
    below, above = ops.take(x, lower, axis=axis), ops.take(x, upper, axis=axis)
    return below + (above - below) * weight
