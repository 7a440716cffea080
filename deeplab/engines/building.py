"""The Keras network that an engine computes. Imports TensorFlow."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import keras

from beam_deeplab.deeplab.engines.interface import EngineError

if TYPE_CHECKING:
    from beam_deeplab.deeplab.models import ModelSpec

_POLICIES = {"f32": "float32", "bf16": "mixed_bfloat16", "f16": "mixed_float16"}
_POLICY_LOCK = threading.Lock()


def build_network(
    model: ModelSpec, canvas: tuple[int, int], output_stride: int, precision: str
) -> keras.Model:
    """Builds a model's network with its weights, on Keras's TensorFlow backend.

    Variables, input and logits are float32 in each precision. What else is raised, and what the
    arguments are, is said at :func:`deeplab.engines.load_engine`.

    Returns:
        Keras model from float32 images in [-1, 1] to logits.

    Raises:
        EngineError: Keras runs on another backend in this process.
    """
    backend = keras.backend.backend()
    if backend != "tensorflow":
        raise EngineError(f"Keras runs on {backend} here: set KERAS_BACKEND=tensorflow")
    with _dtype_policy(_POLICIES[precision]):
        return model.load_network(output_stride, canvas)


@contextmanager
def _dtype_policy(name: str) -> Iterator[None]:
    """Layers built inside compute in this policy, which Keras keeps in a global."""
    with _POLICY_LOCK:
        before = keras.config.dtype_policy()
        keras.config.set_dtype_policy(name)
        try:
            yield
        finally:
            keras.config.set_dtype_policy(before)
