from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from beam_deeplab.deeplab.architecture.layers import official_variables
from beam_deeplab.deeplab.training.config import (
    InputConfig,
    ModelConfig,
    OptimizerConfig,
    TrainingConfig,
)
from beam_deeplab.deeplab.training.state import StateError

KERNEL, DEPTHWISE, GAMMA = "stem/weights", "body/depthwise_weights", "stem/BatchNorm/gamma"


def _network() -> Any:
    """One layer of each kind, which is built and traced in no time."""
    import keras

    from beam_deeplab.deeplab.architecture.layers import convolve, convolve_depthwise

    images = keras.Input((33, 33, 3))
    x = convolve(images, 6, 3, "stem", epsilon=1e-3, stride=2, activation="relu")
    x = convolve_depthwise(x, "body", epsilon=1e-3, activation="relu6")
    x = keras.layers.Conv2D(3, 1, name="logits.semantic")(x)
    return keras.Model(images, x)


def _batch(seed: int = 0) -> tuple[Any, Any]:
    import tensorflow as tf

    rng = np.random.default_rng(seed)
    images = rng.uniform(-1, 1, (2, 33, 33, 3)).astype(np.float32)
    return tf.constant(images), tf.constant(rng.integers(0, 3, (2, 33, 33), np.uint8))


def _step(**values: Any) -> tuple[Any, Any]:
    import keras

    from beam_deeplab.deeplab.training.step import TrainingStep

    keras.utils.set_random_seed(0)
    network = _network()
    config = TrainingConfig(
        ModelConfig("voc"), InputConfig((33, 33)), OptimizerConfig(**{"power": 1.0, **values})
    )
    return TrainingStep(network, config, [1.0] * 3, 10), network


def _values(network: Any) -> dict[str, Any]:
    return {name: v.numpy() for name, v in official_variables(network).items()}


@pytest.mark.parametrize("name", ["sgd", "adamw"])
def test_a_step_with_another_s_state_goes_on_as_that_one(name: str) -> None:
    values = {"name": name, "ema": 0.9, "learning_rate": 0.01}
    step, network = _step(**values)
    for seed in range(2):
        step(*_batch(seed))
    other, other_network = _step(**values)
    other.restore(step.state())
    losses = [each(*_batch(2)) for each in (step, other)]
    assert losses[0] == losses[1]
    for key, value in _values(network).items():
        np.testing.assert_array_equal(value, _values(other_network)[key])
    assert step.learning_rate == other.learning_rate == pytest.approx(0.01 * 0.7)
    with pytest.raises(StateError, match="another network or optimizer"):
        other.restore({"network/a": np.zeros(1)})


@pytest.mark.parametrize("name", ["sgd", "adamw"])
def test_only_kernels_decay(name: str) -> None:
    changed = {}
    for decay in (0.0, 0.5):
        step, network = _step(name=name, weight_decay=decay, learning_rate=0.01, momentum=0.0)
        before = _values(network)
        step(*_batch())
        after = _values(network)
        changed[decay] = {key: after[key] - before[key] for key in before}
    for key in (DEPTHWISE, GAMMA, "logits/semantic/biases"):
        np.testing.assert_array_equal(changed[0.0][key], changed[0.5][key])
    decayed = changed[0.5][KERNEL] - changed[0.0][KERNEL]
    np.testing.assert_allclose(decayed, -0.01 * 0.5 * before[KERNEL], atol=1e-7)


def test_frozen_normalisation_stays() -> None:
    step, network = _step(batch_norm="frozen", learning_rate=0.1)
    before = _values(network)
    step(*_batch())
    for name, value in _values(network).items():
        assert (value == before[name]).all() == ("BatchNorm" in name), name


def test_averages_follow_the_weights_and_are_lent_only() -> None:
    step, network = _step(ema=0.5, learning_rate=0.1)
    expected = _values(network)
    for number in range(1, 4):
        step(*_batch(number))
        kept = min(0.5, (1 + number) / (10 + number))
        for name, value in _values(network).items():
            expected[name] = kept * expected[name] + (1 - kept) * value
    weights = _values(network)
    with step.averaged():
        for name, value in _values(network).items():
            np.testing.assert_allclose(value, expected[name], rtol=1e-4, atol=1e-6)
    for name, value in _values(network).items():
        np.testing.assert_array_equal(value, weights[name])


@pytest.mark.parametrize(("power", "warmup"), [(0.9, 0), (2.0, 0), (0.9, 10)])
def test_the_rate_is_the_poly_schedule(power: float, warmup: int) -> None:
    from beam_deeplab.deeplab.training.step import PolyRate

    config = OptimizerConfig(learning_rate=0.05, power=power, warmup_steps=warmup)
    steps = np.arange(120)
    expected = 0.05 * np.maximum(1 - steps / 100, 0) ** power
    if warmup:
        expected *= np.minimum((steps + 1) / warmup, 1)
    rates = [float(PolyRate(100, config)(step)) for step in steps]
    np.testing.assert_allclose(rates, expected, rtol=2e-5, atol=1e-9)
    assert rates[100:] == [0.0] * 20
