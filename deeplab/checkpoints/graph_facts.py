"""What a frozen graph's operators say of its network: canvas, strides and atrous rates.

Exported graphs keep as constants what the export was told: ``--crop_size``, ``--output_stride``,
``--atrous_rates`` and ``--multi_grid`` (official ``deeplab/export_model.py``).
"""

from __future__ import annotations

import graphlib
import itertools
import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from beam_deeplab.deeplab.architecture.config import MAX_CANVAS_SIDE
from beam_deeplab.deeplab.checkpoints.messages import new, shape_of
from beam_deeplab.deeplab.checkpoints.structure import GraphFacts

_INTEGERS: Mapping[int, np.dtype[Any]] = {3: np.dtype("<i4"), 9: np.dtype("<i8")}
"""Stored bits of whole numbers by TensorFlow's ``DataType``."""
_SMALL = 8
_LARGEST_STRIDE = 4
_NOTHING = new("Attribute")
_STRIDED = frozenset({"Conv2D", "DepthwiseConv2dNative"})
_PASSING = frozenset({"Identity", "Reshape", "Squeeze", "Cast", "BiasAdd"})
_BACKBONES = ("MobilenetV2/", "xception_")
_LOGITS = "logits/semantic/"
_LAST_MODULE = "/exit_flow/block2/unit_1/xception_module/separable_conv{}_depthwise/depthwise"


def read_facts(graph: Any) -> GraphFacts:
    """Reads the facts of a ``Graph`` of :mod:`deeplab.checkpoints.messages`."""
    nodes = _Nodes({node.name: node for node in graph.node})
    return GraphFacts(
        canvas=_canvas(nodes),
        output_stride=_output_stride(nodes),
        aspp_rates=tuple(_rates_of_branches(nodes)),
        multi_grid_rates=tuple(_rates_of_last_module(nodes)),
    )


class _Nodes:
    """The nodes of a graph by name."""

    def __init__(self, by_name: Mapping[str, Any]) -> None:
        self.by_name = by_name

    def inputs(self, node: Any) -> list[str]:
        """Names of the nodes whose values enter, without those that only go before."""
        names = [name.partition(":")[0] for name in node.input if not name.startswith("^")]
        return [name for name in names if name in self.by_name]

    def input(self, node: Any, index: int = 0) -> Any | None:
        names = self.inputs(node)
        return self.by_name[names[index]] if index < len(names) else None

    def integers(self, node: Any | None) -> tuple[int, ...]:
        """The values of a small constant of whole numbers; empty if it is none."""
        if node is None or node.op != "Const":
            return ()
        tensor = _attribute(node, "value").tensor
        stored = _INTEGERS.get(tensor.dtype)
        if stored is None or len(tensor.tensor_content) % stored.itemsize:
            return ()
        if tensor.tensor_content:
            return tuple(np.frombuffer(tensor.tensor_content, stored).tolist())
        values = tuple(tensor.int_val or tensor.int64_val)
        count = math.prod(shape_of(tensor.tensor_shape))
        return values * count if len(values) == 1 and 0 < count <= _SMALL else values


def _attribute(node: Any, key: str) -> Any:
    """An attribute of a node, empty where it has none of that name."""
    return next((each.value for each in node.attr if each.key == key), _NOTHING)


def _canvas(nodes: _Nodes) -> tuple[int, int] | None:
    """What the logits are enlarged to, else what the picture is made to be."""
    enlarged, shaped = [], []
    for node in nodes.by_name.values():
        if node.op == "ResizeBilinear" and _comes_from_logits(nodes, nodes.input(node)):
            enlarged.append(nodes.integers(nodes.input(node, 1)))
        elif node.op == "Reshape" and not node.name.startswith((*_BACKBONES, _LOGITS)):
            shaped.append(nodes.integers(nodes.input(node, 1)))
        elif node.op == "Placeholder":
            shaped.append(shape_of(_attribute(node, "shape").shape))
    pictures = [shape[1:3] for shape in shaped if len(shape) == 4 and shape[3] == 3]
    for sizes in (enlarged, pictures):
        found = {
            size
            for size in sizes
            if len(size) == 2 and 0 < min(size) <= max(size) <= MAX_CANVAS_SIDE
        }
        if len(found) == 1:
            height, width = found.pop()
            return height, width
    return None


def _comes_from_logits(nodes: _Nodes, node: Any | None) -> bool:
    seen = set()
    while node is not None and node.name not in seen:
        if node.name.startswith(_LOGITS):
            return True
        seen.add(node.name)
        node = nodes.input(node) if node.op in _PASSING else None
    return False


def _output_stride(nodes: _Nodes) -> int | None:
    """The product of the strides on the way to the backbone's last features."""
    order = graphlib.TopologicalSorter(
        {name: nodes.inputs(node) for name, node in nodes.by_name.items()}
    )
    strides: dict[str, int] = {}
    try:
        for name in order.static_order():
            node = nodes.by_name[name]
            stride = max((strides[each] for each in nodes.inputs(node)), default=1)
            if node.op in _STRIDED and name.startswith(_BACKBONES):
                own = max(_attribute(node, "strides").list.i, default=1)
                stride *= own if 0 < own <= _LARGEST_STRIDE else 1
            strides[name] = stride
    except graphlib.CycleError:
        return None
    return max(
        (
            stride
            for name, stride in strides.items()
            if name.startswith(_BACKBONES) and nodes.by_name[name].op in _STRIDED
        ),
        default=None,
    )


def _rates_of_branches(nodes: _Nodes) -> Iterator[int]:
    for branch in itertools.count(1):
        names = (f"aspp{branch}_depthwise/depthwise", f"aspp{branch}/Conv2D")
        found = [name for name in names if name in nodes.by_name]
        if not found:
            return
        yield _rate(nodes, nodes.by_name[found[0]])


def _rates_of_last_module(nodes: _Nodes) -> Iterator[int]:
    for unit in (1, 2, 3):
        for name, node in nodes.by_name.items():
            if name.startswith("xception_") and name.endswith(_LAST_MODULE.format(unit)):
                yield _rate(nodes, node)


def _rate(nodes: _Nodes, node: Any) -> int:
    """A convolution's atrous rate: its own, times that of the batches made of its input."""
    rate = max(_attribute(node, "dilations").list.i, default=1)
    before = nodes.input(node)
    if before is not None and before.op == "SpaceToBatchND":
        rate *= max(nodes.integers(nodes.input(before, 1)), default=1)
    return int(rate)
