from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import openvino as ov
import pytest

from beam_deeplab.deeplab.architecture import AsppConfig, DecoderConfig, DeepLabConfig
from beam_deeplab.deeplab.architecture.builder import build_network
from beam_deeplab.deeplab.architecture.config import LOW_LEVEL_ENDPOINTS
from beam_deeplab.deeplab.engines.networks import convert_network
from tests.networks import random_images, relative_error, set_random_weights
from tests.small_models import SMALL_CONFIG

FREE = {"Input", "Output", "Const", "Reshape", "Reorder", "Transpose"}
"""Layers that compute nothing."""


def compiled_and_layers(network: Any, canvas: tuple[int, int]) -> tuple[Any, Counter[str]]:
    compiled = ov.Core().compile_model(
        convert_network(network, canvas), "CPU", {"INFERENCE_PRECISION_HINT": "f32"}
    )
    operations = compiled.get_runtime_model().get_ops()
    return compiled, Counter(str(op.get_rt_info()["layerType"].value) for op in operations)


@pytest.mark.parametrize("output_stride", [8, 16])
def test_batch_norms_activations_and_atrous_rates_end_up_in_the_convolutions(
    output_stride: int,
) -> None:
    network = build_network(replace(SMALL_CONFIG, output_stride=output_stride), (65, 97))
    set_random_weights(network)
    compiled, layers = compiled_and_layers(network, (65, 97))
    convolutions = sum("conv" in type(layer).__name__.lower() for layer in network.layers)
    assert layers["Convolution"] == convolutions
    assert not {"SpaceToBatch", "BatchToSpace", "Pad"} & layers.keys()
    # What is left blends two rows or columns in each of the two resizes.
    assert layers["Subgraph"] + layers["Eltwise"] <= 4
    rest = layers.keys() - FREE - {"Convolution", "Subgraph", "Eltwise"}
    assert rest == {"Gather", "Concatenation", "Reduce"}
    images = random_images(1, 65, 97)
    assert relative_error(compiled(images)[0], np.asarray(network(images))) < 1e-5


@pytest.mark.slow
def test_xception_converts_too() -> None:
    config = DeepLabConfig(
        "xception_41",
        num_classes=5,
        aspp=AsppConfig(rates=(6, 12, 18)),
        decoder=DecoderConfig(LOW_LEVEL_ENDPOINTS["xception_41"]),
    )
    network = build_network(config, (65, 49))
    set_random_weights(network)
    compiled, layers = compiled_and_layers(network, (65, 49))
    assert not {"SpaceToBatch", "BatchToSpace", "Pad"} & layers.keys()
    images = random_images(1, 65, 49)
    assert relative_error(compiled(images)[0], np.asarray(network(images))) < 1e-4


def test_a_model_has_one_input_and_one_output() -> None:
    network = build_network(SMALL_CONFIG, (33, 33))
    model = convert_network(network, (33, 33))
    assert [tuple(port.shape) for port in model.inputs] == [(1, 33, 33, 3)]
    assert [tuple(port.shape) for port in model.outputs] == [(1, 9, 9, 5)]
