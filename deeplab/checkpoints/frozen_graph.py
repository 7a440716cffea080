"""Frozen graphs: the weights are the values of their constants."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import tensorflow as tf
from google.protobuf.message import DecodeError
from numpy.typing import NDArray
from tensorflow.core.framework import graph_pb2

from beam_deeplab.deeplab.checkpoints.files import CheckpointError

_VARIABLE_NAMES = frozenset(
    {
        "weights",
        "depthwise_weights",
        "biases",
        "gamma",
        "beta",
        "moving_mean",
        "moving_variance",
    }
)


def open_frozen_graph(
    path: Path,
) -> tuple[Mapping[str, tuple[int, ...]], Callable[[str], NDArray[np.float32]]]:
    """Opens a graph whose variables were frozen into constants. Nothing of it is run.

    A constant was a variable if a ``<name>/read`` follows it, as freezing leaves it, or if its
    name ends as slim's variables do, for graphs from which those were stripped.

    Args:
        path: A serialised ``GraphDef``.

    Returns:
        The shapes by variable name, and a function that reads one variable.

    Raises:
        CheckpointError: It is not a graph, or has no variables.
    """
    graph = graph_pb2.GraphDef()
    try:
        graph.ParseFromString(path.read_bytes())
    except DecodeError as error:
        raise CheckpointError(f"{path} is not a frozen graph: {error}") from error
    nodes = {node.name for node in graph.node}
    constants = {
        node.name: node.attr["value"].tensor
        for node in graph.node
        if node.op == "Const"
        and tf.dtypes.as_dtype(node.attr["dtype"].type).is_floating
        and (f"{node.name}/read" in nodes or node.name.rpartition("/")[2] in _VARIABLE_NAMES)
    }
    if not constants:
        raise CheckpointError(f"{path} holds no frozen variables: not an exported network")
    shapes = {
        name: tuple(dimension.size for dimension in tensor.tensor_shape.dim)
        for name, tensor in constants.items()
    }

    def read(name: str) -> NDArray[np.float32]:
        return np.asarray(tf.make_ndarray(constants[name]), np.float32)

    return shapes, read
