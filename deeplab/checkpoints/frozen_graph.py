"""Frozen graphs: the weights are the values of their constants. Nothing of a graph is run."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from beam_deeplab.deeplab.checkpoints.files import CheckpointError
from beam_deeplab.deeplab.checkpoints.graph_facts import read_facts
from beam_deeplab.deeplab.checkpoints.messages import parse, shape_of
from beam_deeplab.deeplab.checkpoints.numbers import FLOATS
from beam_deeplab.deeplab.checkpoints.structure import GraphFacts
from beam_deeplab.deeplab.checkpoints.training_state import VARIABLE_KINDS

_VALUES = {1: "float_val", 2: "double_val", 14: "half_val", 19: "half_val"}
"""Where a tensor's values are if they are not in its content, by TensorFlow's ``DataType``."""


@dataclass(frozen=True, slots=True)
class FrozenGraph:
    """A graph whose variables were frozen into constants.

    Attributes:
        shapes: Shape of each variable, by name.
        read: Reads one variable as float32.
        facts: What its operators say of the network.
    """

    shapes: Mapping[str, tuple[int, ...]]
    read: Callable[[str], NDArray[np.float32]]
    facts: GraphFacts


def open_frozen_graph(path: Path) -> FrozenGraph:
    """Opens a graph.

    A constant was a variable if a ``<name>/read`` follows it, as freezing leaves it, or if its
    name ends as slim's variables do, for graphs from which those were stripped.

    Args:
        path: A serialised ``GraphDef``.

    Returns:
        The graph's view.

    Raises:
        CheckpointError: It is not a graph, or has no variables.
    """
    try:
        graph = parse("Graph", path.read_bytes())
    except (ValueError, OSError) as error:
        raise CheckpointError(f"{path} is not a frozen graph: {error}") from error
    nodes = {node.name for node in graph.node}
    constants = {
        node.name: attribute.value.tensor
        for node in graph.node
        if node.op == "Const"
        and (f"{node.name}/read" in nodes or node.name.rpartition("/")[2] in VARIABLE_KINDS)
        for attribute in node.attr
        if attribute.key == "value" and attribute.value.tensor.dtype in FLOATS
    }
    if not constants:
        raise CheckpointError(f"{path} holds no frozen variables: not an exported network")

    def read(name: str) -> NDArray[np.float32]:
        try:
            return _values(constants[name])
        except (ValueError, OverflowError) as error:
            raise CheckpointError(f"{name} of {path} cannot be read: {error}") from error

    shapes = {name: shape_of(tensor.tensor_shape) for name, tensor in constants.items()}
    return FrozenGraph(shapes, read, read_facts(graph))


def _values(tensor: Any) -> NDArray[np.float32]:
    shape, number = shape_of(tensor.tensor_shape), FLOATS[tensor.dtype]
    if tensor.tensor_content:
        content = np.frombuffer(tensor.tensor_content, number.stored)
        return number.to_float32(content.reshape(shape))
    listed = np.array(getattr(tensor, _VALUES[tensor.dtype]), _list_type(tensor.dtype))
    values = number.to_float32(listed.view(number.stored))
    missing = math.prod(shape) - len(values)
    # Values at the end that repeat the last one are left out.
    last = values[-1:] if len(values) else np.zeros(1, np.float32)
    return np.concatenate([values, np.repeat(last, missing)]).reshape(shape)


def _list_type(dtype: int) -> np.dtype[np.generic]:
    number = FLOATS[dtype]
    return np.dtype("<u2") if _VALUES[dtype] == "half_val" else number.stored
