"""8-bit networks for OpenVINO, by NNCF's post-training quantization. Imports nncf, an extra.

Weights and activations between quantized layers are 8-bit integers; what ranges the activations
have is seen on pictures that the network is shown (calibration).
"""

from __future__ import annotations

import io
import os
import tempfile
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import openvino as ov
from numpy.typing import NDArray

from beam_deeplab.deeplab.engines.interface import EngineError
from beam_deeplab.deeplab.engines.openvino_engine import with_converted
from beam_deeplab.deeplab.engines.packing import IR_NAME, NetworkPack

if TYPE_CHECKING:
    from beam_deeplab.deeplab.models import ModelSpec

Picture = TypeVar("Picture")


def quantize_networks(
    model: ModelSpec,
    canvas: tuple[int, int],
    sizes: Sequence[tuple[int, int]],
    output_stride: int,
    *,
    pictures: Sequence[Picture],
    assemble: Callable[[Picture], NDArray[np.float32]],
) -> dict[str, bytes]:
    """Quantizes a model's network, with the same scales for every size of its input.

    NNCF's mixed preset: symmetric weights, asymmetric activations.

    Args:
        model: The weights.
        canvas: (height, width) of the input that it is calibrated at.
        sizes: (height, width) of each input that it shall have.
        output_stride: Of the backbone, 8 or 16.
        pictures: What it is calibrated on.
        assemble: Gives a picture as the network takes it, float32 [1, height, width, 3].

    Returns:
        Files for :func:`deeplab.engines.packing.read_packed`.

    Raises:
        EngineError: OpenVINO converts the network differently at another size.
        deeplab.zoo.ModelNotFound: The weights are not where the model says.
        deeplab.checkpoints.CheckpointError: They are not what the model says.
    """
    first = _converted(model, canvas, output_stride)
    quantized = _quantize(first, pictures, assemble)
    pack = NetworkPack()
    for size in sizes:
        resized = resize_quantized(quantized, first, _converted(model, size, output_stride))
        with tempfile.TemporaryDirectory() as folder:
            ov.save_model(resized, Path(folder) / IR_NAME, compress_to_fp16=False)
            pack.add(size, Path(folder))
    return pack.files()


def resize_quantized(quantized: ov.Model, original: ov.Model, other: ov.Model) -> ov.Model:
    """What ``other`` would be, had it been quantized with the scales of ``quantized``.

    Args:
        quantized: Made of ``original``, whose nodes keep their names in it.
        original: A network converted for one size.
        other: The same network converted for another size: some constants differ.

    Raises:
        EngineError: It is not the same network.
    """
    nodes, others = original.get_ordered_ops(), other.get_ordered_ops()
    if [node.get_type_name() for node in nodes] != [node.get_type_name() for node in others]:
        raise EngineError("the network has other steps at another size, and so no common scales")
    resized = quantized.clone()
    by_name = {node.get_friendly_name(): node for node in resized.get_ops()}
    for node, like in zip(nodes, others, strict=True):
        if node.get_type_name() != "Constant" or np.array_equal(node.data, like.data):
            continue
        constant = ov.op.Constant(like.data.copy())
        for target in by_name[node.get_friendly_name()].output(0).get_target_inputs():
            target.replace_source_output(constant.output(0))
    (parameter,) = resized.get_parameters()
    parameter.set_partial_shape(other.input(0).get_partial_shape())
    resized.validate_nodes_and_infer_types()
    return resized


def _converted(model: ModelSpec, size: tuple[int, int], output_stride: int) -> ov.Model:
    core = ov.Core()
    return with_converted(
        model, size, output_stride, lambda folder: core.read_model(folder / IR_NAME)
    )


def _quantize(
    network: ov.Model,
    pictures: Sequence[Picture],
    assemble: Callable[[Picture], NDArray[np.float32]],
) -> Any:
    # Without it, importing nncf reports to its makers over the network.
    os.environ.setdefault("NNCF_CI", "1")
    import nncf

    nncf.set_log_level("ERROR")
    with redirect_stdout(io.StringIO()):  # where it draws bars
        return nncf.quantize(
            network,
            nncf.Dataset(pictures, assemble),
            preset=nncf.QuantizationPreset.MIXED,
            target_device=nncf.TargetDevice.CPU,
            subset_size=len(pictures),
        )
