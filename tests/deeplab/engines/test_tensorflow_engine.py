from __future__ import annotations

from collections.abc import Iterator

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from beam_deeplab.deeplab.engines import EngineError, has_gpu, load_engine
from beam_deeplab.deeplab.engines.networks import build_network
from beam_deeplab.deeplab.engines.tensorflow_engine import TensorFlowEngine, pad_to_power_of_two
from beam_deeplab.deeplab.models import ModelSpec, inspect_model
from tests.networks import random_images, relative_error
from tests.small_models import write_small_checkpoint

CANVAS = (33, 49)
IMAGES = random_images(5, *CANVAS)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModelSpec]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BEAM_DEEPLAB_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield inspect_model(str(write_small_checkpoint(tmp_path_factory.mktemp("small"))))


@pytest.fixture(scope="module")
def expected(model: ModelSpec) -> NDArray[np.float32]:
    """What the Keras network itself answers."""
    return np.asarray(model.load_network(16, CANVAS)(IMAGES))


@pytest.mark.slow
def test_float32_equals_the_keras_network_in_batches_of_any_size(
    model: ModelSpec, expected: NDArray[np.float32]
) -> None:
    engine = load_engine(model, CANVAS, 16, "tensorflow")
    assert isinstance(engine, TensorFlowEngine)
    for size in (1, 2, 5):
        logits = np.concatenate([engine(IMAGES[i : i + size]) for i in range(0, 5, size)])
        assert logits.shape == (5, 9, 13, 5)
        assert logits.dtype == np.float32
        assert relative_error(logits, expected) < 1e-5
    engine.close()


def test_low_precision_without_a_gpu_is_one_clear_line(model: ModelSpec) -> None:
    if has_gpu():
        pytest.skip("this machine has a GPU")
    with pytest.raises(EngineError, match="TensorFlow computes in f16 on GPUs only"):
        load_engine(model, CANVAS, 16, "tensorflow", "f16")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("precision", "least", "most"), [("f32", 0, 1e-5), ("bf16", 1e-4, 0.1), ("f16", 1e-5, 1e-2)]
)
def test_what_xla_compiles_answers_the_same(
    model: ModelSpec,
    expected: NDArray[np.float32],
    precision: str,
    least: float,
    most: float,
) -> None:
    network = build_network(model, CANVAS, 16, precision)
    assert {variable.dtype for variable in network.variables} == {"float32"}
    engine = TensorFlowEngine(network, CANVAS, precision, "CPU", compiled=True)
    for count in (4, 3):  # padded to one size, which is compiled once
        images, answer = IMAGES[:count], expected[:count]
        logits = engine(images)
        assert logits.shape == answer.shape
        assert logits.dtype == np.float32
        assert least <= relative_error(logits, answer) < most


def test_a_policy_of_the_users_is_left_as_it_was(model: ModelSpec) -> None:
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        network = build_network(model, CANVAS, 16, "f32")
        assert keras.config.dtype_policy().name == "mixed_bfloat16"
    finally:
        keras.config.set_dtype_policy(before)
    assert {layer.compute_dtype for layer in network.layers} == {"float32"}


@given(count=st.integers(1, 40))
def test_padding_adds_empty_images_up_to_a_power_of_two(count: int) -> None:
    images = np.ones((count, 2, 3, 3), np.float32)
    padded = pad_to_power_of_two(images)
    assert count <= len(padded) < 2 * count
    assert len(padded).bit_count() == 1
    np.testing.assert_array_equal(padded[:count], images)
    assert not padded[count:].any()
