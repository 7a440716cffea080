from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from beam_deeplab.deeplab.checkpoints import CheckpointError, digest_of, open_checkpoint
from tests.networks import write_tf1_checkpoint


def test_the_official_checkpoint(mobilenet_checkpoint: Path) -> None:
    checkpoint = open_checkpoint(mobilenet_checkpoint)
    assert len(checkpoint.shapes) == 272
    assert "global_step" not in checkpoint.shapes
    assert checkpoint.shapes["MobilenetV2/expanded_conv_3/depthwise/depthwise_weights"] == (
        (3, 3, 144, 1)
    )
    assert checkpoint.digest == digest_of(mobilenet_checkpoint)
    biases = checkpoint.read("logits/semantic/biases")
    assert biases.shape == (21,)
    assert biases.dtype == np.float32


def test_what_only_training_needs_is_left_out(tmp_path: Path) -> None:
    with tf.Graph().as_default():
        weights = tf.compat.v1.get_variable("aspp0/weights", [1, 1, 2, 3])
        tf.compat.v1.train.get_or_create_global_step()
        loss = tf.reduce_sum(weights**2)
        for optimizer in (
            tf.compat.v1.train.MomentumOptimizer(0.1, 0.9),
            tf.compat.v1.train.AdamOptimizer(),
        ):
            optimizer.minimize(loss)
        tf.train.ExponentialMovingAverage(0.9).apply([weights])
        with tf.compat.v1.Session() as session:
            session.run(weights.initializer)
            session.run(tf.compat.v1.global_variables_initializer())
            tf.compat.v1.train.Saver().save(session, str(tmp_path / "model.ckpt"), 7)
            expected = session.run(weights)
    checkpoint = open_checkpoint(tmp_path)
    assert dict(checkpoint.shapes) == {"aspp0/weights": (1, 1, 2, 3)}
    np.testing.assert_array_equal(checkpoint.read("aspp0/weights"), expected)


def test_half_precision_variables_are_read_as_float32(tmp_path: Path) -> None:
    value = np.array([0.5, -3], np.float16)
    write_tf1_checkpoint(tmp_path / "m", {"logits/semantic/biases": value})
    biases = open_checkpoint(tmp_path).read("logits/semantic/biases")
    assert biases.dtype == np.float32
    np.testing.assert_array_equal(biases, value)


def test_a_damaged_index(tmp_path: Path) -> None:
    write_tf1_checkpoint(tmp_path / "m", {"logits/semantic/biases": np.zeros(3, np.float32)})
    (tmp_path / "m.index").write_bytes(b"not an index")
    with pytest.raises(CheckpointError, match=r"m\.index cannot be read"):
        open_checkpoint(tmp_path)


@pytest.mark.parametrize("damage", [lambda data: data[:100], lambda data: b"\1" + data[1:]])
def test_damaged_data(tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    write_tf1_checkpoint(tmp_path / "m", {"logits/semantic/biases": np.zeros(300, np.float32)})
    data = tmp_path / "m.data-00000-of-00001"
    data.write_bytes(damage(data.read_bytes()))
    with pytest.raises(CheckpointError, match="logits/semantic/biases"):
        open_checkpoint(tmp_path).read("logits/semantic/biases")


def test_a_tf2_object_checkpoint(tmp_path: Path) -> None:
    tf.train.Checkpoint(weights=tf.Variable([1.0])).write(str(tmp_path / "objects"))
    with pytest.raises(CheckpointError, match="TF2 object checkpoint"):
        open_checkpoint(tmp_path)
