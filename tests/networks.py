"""Random but well-behaved weights, and TF1 checkpoints of them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pytest

Weights = dict[str, NDArray[np.float32]]


def random_weights(shapes: Mapping[str, tuple[int, ...]], seed: int = 0) -> Weights:
    """Values under which features keep their magnitude through any number of layers."""
    rng = np.random.default_rng(seed)
    weights: Weights = {}
    for name, shape in shapes.items():
        kind = name.rpartition("/")[2]
        if kind in ("gamma", "moving_variance"):
            value = rng.uniform(0.5, 1.5, shape)
        elif kind == "depthwise_weights":
            value = rng.normal(0, 0.4, shape)
        elif kind == "weights":
            value = rng.normal(0, np.sqrt(1.5 / np.prod(shape[:3])), shape)
        else:
            value = rng.normal(0, 0.3, shape)
        weights[name] = value.astype(np.float32)
    return weights


def start_at_zero(patch: pytest.MonkeyPatch) -> None:
    """Networks are built without random weights, which take half of the time and are set later."""
    import keras

    def zeros(_: Any, shape: tuple[int, ...], **__: Any) -> NDArray[np.float32]:
        return np.zeros(shape, np.float32)

    patch.setattr(keras.initializers.GlorotUniform, "__call__", zeros)


def set_random_weights(network: Any, seed: int = 0) -> Weights:
    """Assigns and returns random weights."""
    from beam_deeplab.deeplab.architecture.layers import official_variables

    variables = official_variables(network)
    weights = random_weights({name: tuple(v.shape) for name, v in variables.items()}, seed)
    for name, variable in variables.items():
        variable.assign(weights[name])
    return weights


def write_tf1_checkpoint(prefix: Path, weights: Mapping[str, NDArray[Any]]) -> Path:
    """Writes named arrays as ``tf.compat.v1.train.Saver`` does."""
    import tensorflow as tf

    tf.raw_ops.SaveV2(
        prefix=str(prefix),
        tensor_names=list(weights),
        shape_and_slices=[""] * len(weights),
        tensors=[tf.constant(value) for value in weights.values()],
    )
    return prefix


def random_images(count: int, height: int, width: int, seed: int = 1) -> NDArray[np.float32]:
    """Images in [-1, 1]."""
    rng = np.random.default_rng(seed)
    return rng.uniform(-1, 1, (count, height, width, 3)).astype(np.float32)


def relative_error(actual: NDArray[Any], expected: NDArray[Any]) -> float:
    """The norm of the difference over the norm of what is expected."""
    actual, expected = actual.astype(np.float64), expected.astype(np.float64)
    return float(np.linalg.norm(actual - expected) / np.linalg.norm(expected))


def feature_network(network: Any) -> Any:
    """The backbone of a built network: the same images to the features before the head."""
    import keras

    return keras.Model(network.input, network.get_layer("features").output)
