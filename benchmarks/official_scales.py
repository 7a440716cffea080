"""The official way to average over scales and mirror images, in TensorFlow.

``predict_labels_multi_scale`` and ``multi_scale_logits`` of research/deeplab/model.py, step by
step: every resize aligns corners, softmax and mean are taken at every pixel of the canvas. The
network is ours, since a frozen graph has one input size; at that size the two answer the same.
Imports TensorFlow when used.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from beam_deeplab.deeplab.models import ModelSpec
from beam_deeplab.deeplab.quiet_tensorflow import import_tensorflow_quietly
from benchmarks.official import CANVAS, Labels, normalised


class OfficialScales:
    """A network that is asked at several scales.

    Args:
        model: The weights.
        output_stride: Of the backbone.
    """

    def __init__(self, model: ModelSpec, output_stride: int) -> None:
        import_tensorflow_quietly()
        import tensorflow as tf

        network = model.load_network(output_stride)
        self._network = tf.function(lambda images: network(images, training=False))

    def probabilities(
        self, pixels: NDArray[np.uint8], scales: Sequence[float], *, flip: bool
    ) -> NDArray[np.float32]:
        """Mean probabilities of a picture that fits the canvas: [height, width, classes]."""
        import tensorflow as tf

        images = tf.constant(normalised(pixels)[None])
        predictions = []
        for scale in scales:
            predictions.append(self._softmax(images, scale, mirrored=False))
            if flip:
                predictions.append(self._softmax(tf.reverse(images, [2]), scale, mirrored=True))
        mean: NDArray[np.float32] = (sum(predictions) / len(predictions)).numpy()[0]
        return mean[: pixels.shape[0], : pixels.shape[1]]

    def labels(self, pixels: NDArray[np.uint8], scales: Sequence[float], *, flip: bool) -> Labels:
        """Labels of a picture that fits the canvas: uint8 of its own size."""
        probabilities = self.probabilities(pixels, scales, flip=flip)
        labels: Labels = probabilities.argmax(axis=2).astype(np.uint8)
        return labels

    def _softmax(self, images: Any, scale: float, *, mirrored: bool) -> Any:
        import tensorflow as tf

        if scale != 1.0:
            side = int((CANVAS - 1.0) * scale + 1.0)
            images = _resize(images, side)
        logits = self._network(images)
        stride = (images.shape[1] - 1) // (logits.shape[1] - 1)
        logits = _resize(logits, int((CANVAS - 1.0) * max(1.0, scale) / stride + 1.0))
        if mirrored:
            logits = tf.reverse(logits, [2])
        return tf.nn.softmax(_resize(logits, CANVAS))


def _resize(images: Any, side: int) -> Any:
    import tensorflow as tf

    return tf.compat.v1.image.resize_bilinear(images, [side, side], align_corners=True)
