"""A Keras network as an OpenVINO model, in memory. Imports TensorFlow."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import openvino as ov

from beam_deeplab.deeplab.engines.tracing import freeze_network


def convert_network(network: Any, canvas: tuple[int, int]) -> ov.Model:
    """Converts a network, its variables frozen, for one image of a fixed size.

    Goes through a frozen graph and ``Core.read_model``, since ``openvino.convert_model`` reports
    each use to its makers over the network.

    Args:
        network: Keras model from float32 images in [-1, 1] to logits.
        canvas: (height, width) of the images.

    Returns:
        A model from [1, height, width, 3] to [1, grid height, grid width, classes].
    """
    graph = freeze_network(network, canvas, batch_size=1).graph.as_graph_def()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "network.pb"
        path.write_bytes(graph.SerializeToString())
        converted = ov.Core().read_model(path)
        # Every loose end of the graph became an output, such as the sizes of features.
        return ov.Model([converted.output("logits:0")], converted.get_parameters(), network.name)
