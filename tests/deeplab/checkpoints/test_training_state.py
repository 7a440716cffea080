from __future__ import annotations

import pytest

from beam_deeplab.deeplab.checkpoints.training_state import without_training_state

NETWORK = {
    "MobilenetV2/Conv/weights": (3, 3, 3, 32),
    "MobilenetV2/Conv/BatchNorm/moving_mean": (32,),
    "logits/semantic/biases": (1,),
}


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("MobilenetV2/Conv/weights/Momentum", (3, 3, 3, 32)),
        ("MobilenetV2/Conv/weights/Adam_1", (3, 3, 3, 32)),
        ("MobilenetV2/Conv/weights/RMSProp_2", (3, 3, 3, 32)),
        ("MobilenetV2/Conv/weights/LAMBOptimizer/vr", (3, 3)),
        ("MobilenetV2/Conv/weights/adam_m", (3, 3, 3, 32)),
        ("MobilenetV2/Conv/weights/ExponentialMovingAverage", (3, 3, 3, 32)),
        ("MobilenetV2/Conv/BatchNorm/moving_mean/biased", (32,)),
        ("training/Adam/MobilenetV2/Conv/weights/m", (3, 3, 3, 32)),
        ("optimizer/slot_0/MobilenetV2/Conv/weights", (3, 3, 3, 32)),
        ("logits/semantic/biases/Momentum", (1,)),
        ("global_step", ()),
        ("beta1_power", ()),
        ("loss_scale/current_loss_scale", ()),
        ("loss_scale/good_steps", (1,)),
        ("train/learning_rate", ()),
    ],
)
def test_what_only_training_needs_is_left_out(name: str, shape: tuple[int, ...]) -> None:
    assert without_training_state({**NETWORK, name: shape}) == NETWORK


@pytest.mark.parametrize(
    "name",
    ["aspp4/weights", "MobilenetV2/Conv/SE/kernel", "MobilenetV2/Conv/weights_g", "a/" * 99 + "b"],
)
def test_what_may_be_a_layer_stays(name: str) -> None:
    assert name in without_training_state({**NETWORK, name: (1, 1, 32, 8)})
