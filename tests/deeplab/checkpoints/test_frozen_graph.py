from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from beam_deeplab.deeplab.checkpoints import CheckpointError, open_checkpoint


@pytest.mark.parametrize("name", ["frozen_inference_graph.pb", "frozen_inference_graph_os8.pb"])
def test_a_frozen_graph_holds_what_its_checkpoint_holds(
    mobilenet_checkpoint: Path, name: str
) -> None:
    graph = open_checkpoint(mobilenet_checkpoint / name)
    checkpoint = open_checkpoint(mobilenet_checkpoint)
    assert dict(graph.shapes) == dict(checkpoint.shapes)
    for variable in checkpoint.shapes:
        np.testing.assert_array_equal(graph.read(variable), checkpoint.read(variable))
    assert graph.digest != checkpoint.digest


def _graph(path: Path, constants: dict[str, object], reads: tuple[str, ...] = ()) -> Path:
    with tf.Graph().as_default() as graph:
        for name, value in constants.items():
            constant = tf.constant(value, name=name)
            if name in reads:
                tf.identity(constant, f"{name}/read")
    path.write_bytes(graph.as_graph_def().SerializeToString())
    return path


def test_variables_are_told_from_other_constants(tmp_path: Path) -> None:
    path = _graph(
        tmp_path / "graph.pb",
        {
            "aspp0/weights": np.ones((1, 1, 2, 3), np.float16),
            "unknown/kernel": np.zeros(4, np.float32),
            "add/y": 127.5,
            "Reshape/shape": np.array([1, 513, 513, 3]),
            "global_step": np.int64(7),
        },
        reads=("unknown/kernel", "global_step"),
    )
    checkpoint = open_checkpoint(path)
    assert dict(checkpoint.shapes) == {"aspp0/weights": (1, 1, 2, 3), "unknown/kernel": (4,)}
    weights = checkpoint.read("aspp0/weights")
    assert weights.dtype == np.float32
    np.testing.assert_array_equal(weights, np.ones((1, 1, 2, 3)))


def test_a_constant_of_one_repeated_value_is_read_in_full(tmp_path: Path) -> None:
    path = _graph(tmp_path / "graph.pb", {"a/BatchNorm/gamma": np.full(1000, 3, np.float32)})
    np.testing.assert_array_equal(open_checkpoint(path).read("a/BatchNorm/gamma"), [3] * 1000)


def test_a_graph_without_variables(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="holds no frozen variables"):
        open_checkpoint(_graph(tmp_path / "graph.pb", {"add/y": 127.5}))


def test_what_is_not_a_graph(tmp_path: Path) -> None:
    path = tmp_path / "graph.pb"
    path.write_bytes(b"\xff not a graph")
    with pytest.raises(CheckpointError, match="is not a frozen graph"):
        open_checkpoint(path)
