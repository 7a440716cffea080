"""Keras networks as engines compute them: built, frozen, compiled, converted. Imports TensorFlow.

They go from float32 images of one canvas, [n, height, width, 3] in [-1, 1], to logits.
"""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import tensorflow as tf

from beam_deeplab.deeplab.engines.interface import EngineError

if TYPE_CHECKING:
    import openvino as ov

    from beam_deeplab.deeplab.models import ModelSpec

_POLICIES = {"f32": "float32", "bf16": "mixed_bfloat16", "f16": "mixed_float16"}
_POLICY_LOCK = threading.Lock()


def build_network(
    model: ModelSpec, canvas: tuple[int, int], output_stride: int, precision: str
) -> keras.Model:
    """Builds a model's network with its weights, on Keras's TensorFlow backend.

    Variables, input and logits are float32 in each precision. What else is raised, and what the
    arguments are, is said at :func:`deeplab.engines.load_engine`.

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


def freeze_network(network: Any, canvas: tuple[int, int], batch_size: int | None) -> Any:
    """Traces a network with its variables' present values, for so many images, or any number.

    As constants, TensorFlow's optimizer folds the batch normalisations into the convolutions: on a
    CPU a third faster than with variables.

    Returns:
        A ``tf.types.experimental.ConcreteFunction`` from ``images`` to ``logits``.
    """
    trainable = [variable.numpy() for variable in network.trainable_variables]
    others = [variable.numpy() for variable in network.non_trainable_variables]

    @tf.function(
        input_signature=[tf.TensorSpec([batch_size, *canvas, 3], tf.float32, name="images")],
        autograph=False,
    )
    def logits(images: Any) -> Any:
        answer, _ = network.stateless_call(trainable, others, images, training=False)
        return tf.identity(answer, name="logits")

    return logits.get_concrete_function()


def compile_network(network: Any, canvas: tuple[int, int], answer_type: tf.DType) -> Any:
    """Has XLA compile a network, once for each batch size that it is called with.

    Returns:
        A ``tf.types.experimental.ConcreteFunction`` from images to logits of ``answer_type``.
    """

    @tf.function(
        input_signature=[tf.TensorSpec([None, *canvas, 3], tf.float32)],
        autograph=False,
        jit_compile=True,
    )
    def logits(images: Any) -> Any:
        return tf.cast(network(images, training=False), answer_type)

    return logits.get_concrete_function()


def convert_network(network: Any, canvas: tuple[int, int]) -> ov.Model:
    """Converts a network, its variables frozen, for one image of a fixed size.

    Goes through a frozen graph and ``Core.read_model``, since ``openvino.convert_model`` reports
    each use to its makers over the network.

    Returns:
        A model from [1, height, width, 3] to [1, grid height, grid width, classes].
    """
    import openvino as ov

    graph = freeze_network(network, canvas, batch_size=1).graph.as_graph_def()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "network.pb"
        path.write_bytes(graph.SerializeToString())
        converted = ov.Core().read_model(path)
        # Every loose end of the graph became an output, such as the sizes of features.
        return ov.Model([converted.output("logits:0")], converted.get_parameters(), network.name)
