"""Frozen graphs: the weights are the values of their constants. Nothing of a graph is run."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from beam_deeplab.deeplab.checkpoints.checkpoint import Checkpoint
from beam_deeplab.deeplab.checkpoints.files import CheckpointError
from beam_deeplab.deeplab.checkpoints.graph_facts import read_facts
from beam_deeplab.deeplab.checkpoints.messages import FLOATS, parse, shape_of
from beam_deeplab.deeplab.checkpoints.training_state import VARIABLE_KINDS

_VALUES = {
    1: ("float_val", "<f4"),
    2: ("double_val", "<f8"),
    14: ("half_val", "<u2"),
    19: ("half_val", "<u2"),
}
"""Where a tensor's values are if they are not in its content, and as what their bits are listed
there, by TensorFlow's ``DataType``."""


def open_frozen_graph(path: Path, digest: str) -> Checkpoint:
    """Opens a graph, a serialised ``GraphDef``.

    A constant was a variable if a ``<name>/read`` follows it, as freezing leaves it, or if its name
    ends as slim's variables do, for graphs from which those were stripped.

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
    facts = read_facts(graph)
    return Checkpoint(path, shapes, digest, read, canvas=facts.canvas, facts=facts)


def _values(tensor: Any) -> NDArray[np.float32]:
    shape, number = shape_of(tensor.tensor_shape), FLOATS[tensor.dtype]
    if tensor.tensor_content:
        content = np.frombuffer(tensor.tensor_content, number)
        return content.reshape(shape).astype(np.float32, copy=False)
    field, listed_as = _VALUES[tensor.dtype]
    listed = np.array(getattr(tensor, field), listed_as)
    values = listed.view(number).astype(np.float32, copy=False)
    missing = math.prod(shape) - len(values)
    # Values at the end that repeat the last one are left out.
    last = values[-1:] if len(values) else np.zeros(1, np.float32)
    return np.concatenate([values, np.repeat(last, missing)]).reshape(shape)
