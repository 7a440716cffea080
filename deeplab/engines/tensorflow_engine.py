"""The network as one TensorFlow graph: on a GPU where there is one, else on the CPU."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray


class TensorFlowEngine:
    """A Keras network traced once for a fixed canvas and any batch size.

    Args:
        network: Keras model from float32 images in [-1, 1] to logits.
        canvas: (height, width) of every batch.
    """

    def __init__(self, network: Any, canvas: tuple[int, int]) -> None:
        signature = tf.TensorSpec([None, *canvas, 3], tf.float32)

        @tf.function(input_signature=[signature], autograph=False)
        def logits(images: Any) -> Any:
            return network(images, training=False)

        self._logits: Any = logits.get_concrete_function()

    def __call__(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        """Computes logits; see :class:`deeplab.engines.Engine`."""
        result: NDArray[np.float32] = self._logits(tf.constant(images)).numpy()
        return result

    def close(self) -> None:
        """Drops the graph and the weights."""
        self._logits = None
