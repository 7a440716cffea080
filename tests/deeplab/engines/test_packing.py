from __future__ import annotations

from pathlib import Path

import numpy as np
import openvino as ov
import openvino.opset13 as ops
import pytest

from beam_deeplab.deeplab.engines import EngineError
from beam_deeplab.deeplab.engines.packing import IR_NAME, NetworkPack, read_packed

RNG = np.random.default_rng(0)
WEIGHTS = RNG.normal(size=(8, 3, 3, 3)).astype(np.float32)
CANVASES = ((17, 33), (33, 17), (33, 33))


def _convert(canvas: tuple[int, int], folder: Path) -> None:
    """A convolution, and a constant of an odd number of bytes that differs by canvas."""
    image = ops.parameter([1, 3, *canvas], np.float32)
    answer = ops.convolution(image, ops.constant(WEIGHTS), [1, 1], [1, 1], [1, 1], [1, 1])
    odd = ops.convert(ops.constant(np.array([canvas[0] % 7] * 3, np.uint8)), "f32")
    answer = ops.add(answer, ops.reduce_sum(odd, 0))
    ov.save_model(ov.Model([answer], [image]), folder / IR_NAME, compress_to_fp16=False)


def _answer(network: ov.Model, canvas: tuple[int, int]) -> np.ndarray:
    picture = np.random.default_rng(1).normal(size=(1, 3, *canvas)).astype(np.float32)
    compiled = ov.Core().compile_model(network, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return np.asarray(compiled(picture)[0])


def test_packed_networks_answer_the_same_bits_and_share_their_weights(tmp_path: Path) -> None:
    pack, expected = NetworkPack(), {}
    for canvas in CANVASES:
        folder = tmp_path / f"{canvas}"
        folder.mkdir()
        _convert(canvas, folder)
        expected[canvas] = _answer(ov.Core().read_model(folder / IR_NAME), canvas)
        pack.add(canvas, folder)
    packed = tmp_path / "packed"
    packed.mkdir()
    for name, content in pack.files().items():
        (packed / name).write_bytes(content)
    assert len(pack.files()["weights.bin"]) < 1.5 * WEIGHTS.nbytes
    for canvas in CANVASES:
        network = read_packed(ov.Core(), packed, canvas)
        np.testing.assert_array_equal(_answer(network, canvas), expected[canvas])
    with pytest.raises(EngineError, match="65 x 65"):
        read_packed(ov.Core(), packed, (65, 65))
