"""8-bit networks: one set of scales for all sizes, and logits near those in float32."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import openvino as ov
import pytest
from numpy.typing import NDArray

from beam_deeplab.deeplab.engines import EngineError
from beam_deeplab.deeplab.engines.openvino_engine import load_openvino_engine, with_converted
from beam_deeplab.deeplab.engines.packing import IR_NAME, read_packed
from beam_deeplab.deeplab.engines.quantizing import quantize_networks, resize_quantized
from beam_deeplab.deeplab.models import ModelSpec, inspect_model
from tests.networks import random_images
from tests.small_models import write_small_checkpoint

CANVAS = (65, 65)
SIZES = (CANVAS, (49, 65), (33, 33))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> ModelSpec:
    return inspect_model(str(write_small_checkpoint(tmp_path_factory.mktemp("small"))))


@pytest.fixture(scope="module")
def quantized(model: ModelSpec, tmp_path_factory: pytest.TempPathFactory) -> Path:
    pictures = [random_images(1, *CANVAS, seed) for seed in range(8)]
    files = quantize_networks(
        model, CANVAS, SIZES, 16, pictures=pictures, assemble=lambda picture: picture
    )
    folder = tmp_path_factory.mktemp("quantized")
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


def _scales(network: ov.Model) -> list[NDArray[np.float32]]:
    return [
        source.get_source_output().get_node().data
        for node in network.get_ordered_ops()
        if node.get_type_name() == "FakeQuantize"
        for source in node.inputs()[1:]
    ]


@pytest.mark.slow
def test_every_size_has_the_same_scales_and_answers_nearly_as_in_float32(
    model: ModelSpec, quantized: Path
) -> None:
    core = ov.Core()
    networks = {size: read_packed(core, quantized, size) for size in SIZES}
    first = _scales(networks[CANVAS])
    assert len(first) > 100
    for size, network in networks.items():
        for one, other in zip(first, _scales(network), strict=True):
            np.testing.assert_array_equal(one, other)
        exact = load_openvino_engine(model, size, 16, "f32", 1)
        images = random_images(1, *size, seed=99)
        wanted, got = exact(images), core.compile_model(network, "CPU")(images)[0]
        assert got.shape == wanted.shape
        assert np.corrcoef(got.ravel(), wanted.ravel())[0, 1] > 0.99
        assert np.abs(got - wanted).max() > 0


def test_another_network_has_no_common_scales(model: ModelSpec) -> None:
    core = ov.Core()
    network = with_converted(model, CANVAS, 16, lambda folder: core.read_model(folder / IR_NAME))
    other = with_converted(model, CANVAS, 8, lambda folder: core.read_model(folder / IR_NAME))
    same = resize_quantized(network, network, network)
    assert len(same.get_ops()) == len(network.get_ops())
    removed = ov.Model([other.get_ordered_ops()[50].output(0)], other.get_parameters())
    with pytest.raises(EngineError, match="no common scales"):
        resize_quantized(network, network, removed)
