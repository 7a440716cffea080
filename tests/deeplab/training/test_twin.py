from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from beam_deeplab.deeplab.architecture.builder import build_network
from beam_deeplab.deeplab.architecture.layers import official_variables
from tests.networks import random_images, relative_error, set_random_weights
from tests.small_models import SMALL_CONFIG


@pytest.fixture(scope="module")
def built() -> Any:
    return build_network(SMALL_CONFIG, (65, 65))


@pytest.fixture
def network(built: Any) -> Any:
    """One network for all tests, each time with the same random weights."""
    set_random_weights(built)
    return built


def _twin(network: Any, size: tuple[int, int] = (65, 65), *, frozen: bool = False) -> Any:
    from beam_deeplab.deeplab.training.twin import training_twin

    return training_twin(network, size, batch_norm_momentum=0.9, batch_norm_frozen=frozen)


@pytest.mark.parametrize("size", [(65, 65), (33, 49)])
@pytest.mark.parametrize("training", [False, True])
def test_a_twin_computes_what_the_network_does(
    network: Any, size: tuple[int, int], training: bool
) -> None:
    images = random_images(3, *size)
    twin = _twin(network, size)
    anyhow = build_network(SMALL_CONFIG)
    for name, variable in official_variables(anyhow).items():
        variable.assign(official_variables(network)[name])
    expected = anyhow(images, training=training).numpy()
    assert relative_error(twin(images, training=training).numpy(), expected) < 1e-3


def test_a_twin_shares_every_variable(network: Any) -> None:
    shared = {id(variable) for variable in network.variables}
    assert {id(variable) for variable in _twin(network).variables} == shared


def test_gradients_are_those_of_the_network(network: Any) -> None:
    import tensorflow as tf

    images = random_images(2, 65, 65)
    gradients = []
    for model in (network, _twin(network)):
        values = [variable.value for variable in network.trainable_variables]
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.square(model(images, training=True)))
        gradients.append([g.numpy() for g in tape.gradient(loss, values)])
    norms = [np.sqrt(sum((g**2).sum() for g in each)) for each in gradients]
    differences = [a - b for a, b in zip(*gradients, strict=True)]
    assert np.sqrt(sum((d**2).sum() for d in differences)) < 1e-2 * norms[0]


def test_training_moves_the_statistics_towards_the_batch_s(network: Any) -> None:
    scope = "MobilenetV2/Conv"
    mean, variance = (
        official_variables(network)[f"{scope}/BatchNorm/moving_{name}"]
        for name in ("mean", "variance")
    )
    before = mean.numpy(), variance.numpy()
    images = random_images(3, 65, 65)
    stem = network.get_layer("MobilenetV2.Conv")(images).numpy()
    _twin(network)(images, training=True)
    batch = stem.mean(axis=(0, 1, 2)), stem.var(axis=(0, 1, 2), ddof=1)
    np.testing.assert_allclose(mean.numpy(), 0.9 * before[0] + 0.1 * batch[0], atol=1e-5)
    np.testing.assert_allclose(variance.numpy(), 0.9 * before[1] + 0.1 * batch[1], rtol=1e-4)


def test_frozen_normalisation_is_that_of_inference(network: Any) -> None:
    images = random_images(2, 65, 65)
    twin = _twin(network, frozen=True)
    before = {name: v.numpy() for name, v in official_variables(network).items()}
    np.testing.assert_array_equal(twin(images, training=True), twin(images, training=False))
    for name, variable in official_variables(network).items():
        np.testing.assert_array_equal(variable.numpy(), before[name])
