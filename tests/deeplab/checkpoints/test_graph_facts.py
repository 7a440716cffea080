from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import pytest

from beam_deeplab.deeplab.checkpoints import CheckpointError, infer_config
from beam_deeplab.deeplab.checkpoints.graph_facts import read_facts
from beam_deeplab.deeplab.checkpoints.messages import new, parse
from beam_deeplab.deeplab.checkpoints.structure import NO_FACTS, GraphFacts
from tests.written_weights import constant

LAST = "xception_65/exit_flow/block2/unit_1/xception_module/separable_conv{}_depthwise/depthwise"


def add(graph: Any, name: str, op: str, *inputs: str, **lists: list[int]) -> None:
    node = graph.node.add(name=name, op=op, input=inputs)
    for key, values in lists.items():
        node.attr.add(key=key).value.list.i.extend(values)


def add_integers(graph: Any, name: str, *values: int) -> None:
    content = struct.pack(f"<{len(values)}i", *values)
    constant(graph, name, 3, (len(values),), tensor_content=content)


def small_graph(canvas: tuple[int, int], strides: tuple[int, ...]) -> Any:
    graph = new("Graph")
    before = "ImageTensor"
    add(graph, before, "Placeholder")
    for number, stride in enumerate(strides):
        name = f"MobilenetV2/layer_{number}/Conv2D"
        add(graph, name, "Conv2D", before, strides=[1, stride, stride, 1])
        before = name
    add(graph, "logits/semantic/BiasAdd", "BiasAdd", before)
    add_integers(graph, "ResizeBilinear_7/size", *canvas)
    add(
        graph,
        "ResizeBilinear_7",
        "ResizeBilinear",
        "logits/semantic/BiasAdd",
        "ResizeBilinear_7/size",
    )
    return graph


@pytest.mark.parametrize("canvas", [(513, 513), (769, 769), (257, 385), (1025, 2049)])
@pytest.mark.parametrize(("strides", "stride"), [((2, 2, 1, 2, 2), 16), ((2, 2, 2, 1), 8)])
def test_canvas_and_output_stride(
    canvas: tuple[int, int], strides: tuple[int, ...], stride: int
) -> None:
    facts = read_facts(small_graph(canvas, strides))
    assert (facts.canvas, facts.output_stride) == (canvas, stride)


@pytest.mark.parametrize("canvas", [(0, 513), (-5, -5), (2**31 - 1, 2**31 - 1)])
def test_a_canvas_that_cannot_be_is_none(canvas: tuple[int, int]) -> None:
    assert read_facts(small_graph(canvas, (2, 2, 2))).canvas is None


def test_branches_do_not_add_strides() -> None:
    graph = small_graph((65, 65), (2, 2))
    strides = [1, 2, 2, 1]
    scope = "MobilenetV2"
    add(graph, f"{scope}/skip/Conv2D", "Conv2D", f"{scope}/layer_0/Conv2D", strides=strides)
    add(graph, f"{scope}/add", "AddV2", f"{scope}/layer_1/Conv2D", f"{scope}/skip/Conv2D")
    add(graph, f"{scope}/last/Conv2D", "Conv2D", f"{scope}/add", strides=strides)
    assert read_facts(graph).output_stride == 8


def test_a_canvas_before_the_network_counts_where_logits_are_not_enlarged() -> None:
    graph = new("Graph")
    add_integers(graph, "Reshape/shape", 1, 321, 481, 3)
    add(graph, "Reshape", "Reshape", "ImageTensor", "Reshape/shape")
    add(graph, "ImageTensor", "Placeholder")
    assert read_facts(graph).canvas == (321, 481)


def test_atrous_rates_and_multi_grid() -> None:
    graph = small_graph((65, 65), (2, 2, 2))
    for branch, rate in ((1, 12), (2, 24), (3, 48)):
        add_integers(graph, f"block{branch}", rate, rate)
        add(graph, f"spread{branch}", "SpaceToBatchND", "ImageTensor", f"block{branch}")
        name = f"aspp{branch}_depthwise/depthwise"
        add(graph, name, "DepthwiseConv2dNative", f"spread{branch}", strides=[1, 1, 1, 1])
    for unit, rate in ((1, 4), (2, 8), (3, 16)):
        dilations = [1, rate, rate, 1]
        add(graph, LAST.format(unit), "DepthwiseConv2dNative", "ImageTensor", dilations=dilations)
    facts = read_facts(graph)
    assert facts == GraphFacts((65, 65), 8, (12, 24, 48), (4, 8, 16))
    shapes: dict[str, tuple[int, ...]] = {
        "xception_65/a/weights": (1, 1, 1, 1),
        "concat_projection/weights": (1, 1, 1280, 256),
        "image_pooling/weights": (1, 1, 2048, 256),
        "logits/semantic/weights": (1, 1, 256, 21),
        **{f"aspp{branch}_depthwise/depthwise_weights": (3, 3, 2048, 1) for branch in (1, 2, 3)},
    }
    config = infer_config(shapes, 8, facts)
    assert config.aspp is not None
    assert (config.aspp.rates, config.multi_grid) == ((6, 12, 24), (1, 2, 4))
    unlike = GraphFacts(None, 8, (12, 24, 47), ())
    with pytest.raises(CheckpointError, match="of no known network"):
        infer_config(shapes, 8, unlike)


def test_a_graph_in_a_circle_or_empty_says_nothing() -> None:
    assert read_facts(new("Graph")) == NO_FACTS
    graph = new("Graph")
    add(graph, "MobilenetV2/a/Conv2D", "Conv2D", "MobilenetV2/b/Conv2D", strides=[1, 2, 2, 1])
    add(graph, "MobilenetV2/b/Conv2D", "Conv2D", "MobilenetV2/a/Conv2D", strides=[1, 2, 2, 1])
    add(graph, "ResizeBilinear", "ResizeBilinear", "ResizeBilinear", "ResizeBilinear")
    assert read_facts(graph) == NO_FACTS


def test_the_official_graphs(mobilenet_checkpoint: Path) -> None:
    for name, stride in (("frozen_inference_graph", 16), ("frozen_inference_graph_os8", 8)):
        graph = parse("Graph", (mobilenet_checkpoint / f"{name}.pb").read_bytes())
        assert read_facts(graph) == GraphFacts((513, 513), stride)
