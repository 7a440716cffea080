"""The network as one TensorFlow graph: on a GPU where there is one, else on the CPU."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from beam_deeplab.deeplab.engines.networks import build_network, compile_network, freeze_network

if TYPE_CHECKING:
    from beam_deeplab.deeplab.models import ModelSpec


class TensorFlowEngine:
    """A Keras network traced for a fixed canvas.

    Args:
        network: Keras model from float32 images in [-1, 1] to float32 logits.
        canvas: (height, width) of every batch.
        precision: Of its arithmetic.
        device: What computes, for people.
        compiled: Whether XLA compiles it, once for each power of two that a batch is padded to;
            for GPUs, since on a CPU the result takes ten times as long.
    """

    def __init__(
        self, network: Any, canvas: tuple[int, int], precision: str, device: str, *, compiled: bool
    ) -> None:
        self.device = device
        self._compiled = compiled
        if compiled:
            # After low-precision arithmetic float16 loses nothing and halves what the bus
            # carries; after float32 it would change one label in 17,000.
            answer_type = tf.float32 if precision == "f32" else tf.float16
            self._logits: Any = compile_network(network, canvas, answer_type)
        else:
            self._logits = freeze_network(network, canvas, batch_size=None)

    def __call__(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        """Computes logits; see :class:`deeplab.engines.Engine`."""
        count = len(images)
        if self._compiled:
            images = pad_to_power_of_two(images)
        logits = self._logits(tf.constant(images, tf.float32))[:count]
        result: NDArray[np.float32] = logits.numpy().astype(np.float32, copy=False)
        return result

    def close(self) -> None:
        """Drops the graph and the weights."""
        self._logits = None


def load_tensorflow_engine(
    model: ModelSpec,
    canvas: tuple[int, int],
    output_stride: int,
    precision: str,
    *,
    threads: int,
    batch_size: int,
) -> TensorFlowEngine:
    """Loads a model; on the first GPU if there is one, where it is compiled for batches at once.

    A GPU's memory is taken as it is needed, since other processes may share it. float32 means
    float32: the shortened TF32 arithmetic of newer GPUs is switched off for it. Arguments and
    errors are those of :func:`deeplab.engines.load_engine`.

    Raises:
        EngineError: Keras runs on another backend in this process.
    """
    gpus = tf.config.list_physical_devices("GPU")
    _configure(gpus, threads)
    if precision == "f32":
        tf.config.experimental.enable_tensor_float_32_execution(False)
    network = build_network(model, canvas, output_stride, precision)
    if not gpus:
        device = f"CPU, {threads} thread{'s' * (threads > 1)}"
        return TensorFlowEngine(network, canvas, precision, device, compiled=False)
    details = tf.config.experimental.get_device_details(gpus[0])
    device = details.get("device_name", "GPU")
    engine = TensorFlowEngine(network, canvas, precision, device, compiled=True)
    engine(np.zeros((batch_size, *canvas, 3), np.float32))
    return engine


def pad_to_power_of_two(images: NDArray[np.float32]) -> NDArray[np.float32]:
    """Adds empty images, [n, height, width, 3], until their number is a power of two."""
    missing = (1 << (len(images) - 1).bit_length()) - len(images)
    if not missing:
        return images
    return np.concatenate([images, np.zeros((missing, *images.shape[1:]), images.dtype)])


def _configure(gpus: list[Any], threads: int) -> None:
    """Memory growth and thread pools, which TensorFlow would size by all cores that it sees.

    It takes these settings only before its first computation.
    """
    try:
        for gpu in gpus:
            tf.config.experimental.set_memory_growth(gpu, True)
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(threads)
    except RuntimeError:
        return  # computed before, by an earlier engine of this process or by its user
