from __future__ import annotations

import dataclasses
import itertools
import json
import os
import subprocess
import sys
from dataclasses import replace

import keras
import numpy as np
import pytest

from beam_deeplab.deeplab.architecture import AsppConfig, DecoderConfig, DeepLabConfig
from beam_deeplab.deeplab.architecture.builder import build_network
from beam_deeplab.deeplab.architecture.config import BACKBONES, LOW_LEVEL_ENDPOINTS
from beam_deeplab.deeplab.architecture.layers import official_variables
from tests.networks import feature_network, random_images, relative_error, set_random_weights


@pytest.mark.slow
@pytest.mark.parametrize("backbone", BACKBONES)
def test_atrous_features_subsampled_are_the_strided_ones(backbone: str) -> None:
    images = random_images(1, 65, 97)
    features = []
    for stride in (8, 16, 32):
        network = build_network(DeepLabConfig(backbone, num_classes=2, output_stride=stride))
        set_random_weights(network)
        features.append(np.asarray(feature_network(network)(images)))
        assert features[-1].shape[1:3] == (64 // stride + 1, 96 // stride + 1)
    for dense, sparse in itertools.pairwise(features):
        assert relative_error(dense[:, ::2, ::2], sparse) < 1e-5


@pytest.mark.parametrize("separable", [True, False])
@pytest.mark.parametrize("decoder", [True, False])
@pytest.mark.parametrize("rates", [(), (6, 12, 18), None])
def test_parts_are_data(rates: tuple[int, ...] | None, decoder: bool, separable: bool) -> None:
    config = DeepLabConfig(
        "mobilenet_v2",
        num_classes=3,
        depth_multiplier=0.35,
        aspp=None if rates is None else AsppConfig(rates, separable=separable, channels=16),
        decoder=DecoderConfig(LOW_LEVEL_ENDPOINTS["mobilenet_v2"], 4, 8, separable)
        if decoder
        else None,
    )
    network = build_network(config)
    logits = np.asarray(network(random_images(2, 33, 49)))
    stride = config.logits_stride
    assert logits.shape == (2, 32 // stride + 1, 48 // stride + 1, 3)
    names = set(official_variables(network))
    assert len(names) == len(network.weights)
    assert ("concat_projection/weights" in names) == (rates is not None)
    assert ("decoder/feature_projection0/weights" in names) == decoder
    assert ("aspp3_depthwise/depthwise_weights" in names) == (bool(rates) and separable)
    assert ("aspp3/weights" in names) == (bool(rates) and not separable)
    assert ("decoder/decoder_conv0/decoder_conv0_2/weights" in names) == (decoder and not separable)


def test_a_known_input_size_changes_nothing() -> None:
    config = DeepLabConfig("mobilenet_v2", 4, depth_multiplier=0.35, aspp=AsppConfig())
    images = random_images(2, 33, 65)
    flexible, fixed = build_network(config), build_network(config, (33, 65))
    for network in (flexible, fixed):
        set_random_weights(network)
    assert fixed.output_shape == (None, 3, 5, 4)
    np.testing.assert_allclose(flexible(images), fixed(images), atol=1e-5)


@pytest.mark.parametrize("size", [(512, 513), (513, 520), (0, 17), (-15, 17)])
def test_sides_off_the_grid_are_refused(size: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="not a multiple of the output stride 16 plus one"):
        build_network(DeepLabConfig("mobilenet_v2", 2), size)


def test_an_unknown_low_level_endpoint_is_refused() -> None:
    config = DeepLabConfig("mobilenet_v2", 2, decoder=DecoderConfig("layer_40"))
    with pytest.raises(ValueError, match=r"layer_40.*layer_4/depthwise_output"):
        build_network(config)


def test_logits_stay_float32_in_mixed_precision() -> None:
    config = DeepLabConfig(
        "mobilenet_v2",
        3,
        depth_multiplier=0.35,
        aspp=AsppConfig(rates=(6,), channels=16),
        decoder=DecoderConfig(LOW_LEVEL_ENDPOINTS["mobilenet_v2"], 4, 8),
    )
    images = random_images(1, 33, 33)
    exact = build_network(config)
    set_random_weights(exact)
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16")
    try:
        half = build_network(config)
    finally:
        keras.config.set_dtype_policy(before)
    set_random_weights(half)
    logits = np.asarray(half(images))
    assert logits.dtype == np.float32
    assert 1e-6 < relative_error(logits, np.asarray(exact(images))) < 2e-2


_JAX_PROGRAM = """
import json
import sys
import jax
import keras
import numpy as np
from beam_deeplab.deeplab.architecture import DeepLabConfig
from beam_deeplab.deeplab.architecture.builder import build_network
from tests.networks import random_images, set_random_weights
config = DeepLabConfig.from_dict(json.loads(sys.argv[1]))
# The weights are set below: JAX would compile a generator for every shape.
keras.initializers.GlorotUniform.__call__ = lambda _, shape, **__: np.zeros(shape, np.float32)
network = build_network(config)
set_random_weights(network)
# Compiled at once: operation by operation takes JAX five times as long.
call = jax.jit(lambda own, other, images: network.stateless_call(own, other, images)[0])
variables = network.trainable_variables, network.non_trainable_variables
values = [[variable.value for variable in some] for some in variables]
np.save(sys.argv[2], np.asarray(call(*values, random_images(1, 33, 49))))
assert "tensorflow" not in sys.modules
"""


@pytest.mark.slow
@pytest.mark.parametrize("backbone", ["mobilenet_v2", "xception_41"])
def test_the_same_network_runs_on_jax(
    backbone: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    pytest.importorskip("jax", reason="install jax to run the network on it")
    config = DeepLabConfig(
        backbone,
        num_classes=3,
        output_stride=8,
        aspp=AsppConfig(rates=(6, 12, 18)),
        decoder=DecoderConfig(LOW_LEVEL_ENDPOINTS[backbone]),
    )
    network = build_network(config)
    set_random_weights(network)
    answer = tmp_path_factory.mktemp("jax") / "logits.npy"
    subprocess.run(
        [sys.executable, "-c", _JAX_PROGRAM, json.dumps(dataclasses.asdict(config)), str(answer)],
        env={**os.environ, "KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"},
        check=True,
    )
    expected = np.asarray(network(random_images(1, 33, 49)))
    assert relative_error(np.load(answer), expected) < 1e-5


def test_batches_do_not_mix() -> None:
    config = replace(
        DeepLabConfig("mobilenet_v2", 5, depth_multiplier=0.5),
        aspp=AsppConfig(rates=(6, 12, 18), channels=32),
    )
    network = build_network(config)
    set_random_weights(network)
    images = random_images(3, 49, 33)
    together = np.asarray(network(images))
    alone = np.concatenate([np.asarray(network(images[i : i + 1])) for i in range(3)])
    # Sums may be taken in another order; pictures that mixed would differ by far more.
    assert relative_error(together, alone) < 1e-5
