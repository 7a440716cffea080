"""The official network and the official way from its logits to labels, in TensorFlow.

The frozen graph takes uint8 pixels, pads and normalises them itself, resizes its logits to the
canvas of 513 x 513 (corners aligned) and answers with the argmax. A picture larger than the
canvas has to be reduced first, and full-size labels then take a second resize, of the logits to
the picture, before the argmax. Imports TensorFlow when used.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from beam_deeplab.deeplab.quiet_tensorflow import import_tensorflow_quietly

Labels = NDArray[np.uint8]
Size = tuple[int, int]

CANVAS = 513

_INPUT = "ImageTensor:0"
_LABELS = "SemanticPredictions:0"
_LOGITS = "logits/semantic/BiasAdd:0"


class FrozenGraph:
    """The official frozen graph in a session with TensorFlow's default thread pools.

    Args:
        path: The ``.pb`` file.
    """

    def __init__(self, path: Path) -> None:
        import_tensorflow_quietly()
        import tensorflow as tf

        graph_def = tf.compat.v1.GraphDef()
        graph_def.ParseFromString(path.read_bytes())
        graph = tf.Graph()
        with graph.as_default():
            tf.import_graph_def(graph_def, name="")
        self._session = tf.compat.v1.Session(graph=graph)

    def labels(self, pixels: NDArray[np.uint8]) -> Labels:
        """Labels of a picture that fits the canvas: uint8 of its own size."""
        answer = self._session.run(_LABELS, {_INPUT: pixels[None]})
        return np.asarray(answer[0], np.uint8)

    def logits(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Logits at the output stride, before any resize: [33, 33, 21]."""
        answer: NDArray[np.float32] = self._session.run(_LOGITS, {_INPUT: pixels[None]})[0]
        return answer


def labels_by_tensorflow(logits: NDArray[np.float32], content: Size, original: Size) -> Labels:
    """Logits to the canvas, crop, to the picture, argmax: all in one TensorFlow function.

    Args:
        logits: float32 of shape [grid height, grid width, classes] of the whole canvas.
        content: Height and width of the picture on the canvas.
        original: Height and width of the picture.

    Returns:
        uint8 of shape ``original``.
    """
    labels: Labels = _resize_and_argmax()(logits, content, original).numpy()
    return labels


@functools.cache
def _resize_and_argmax() -> Any:
    import_tensorflow_quietly()
    import tensorflow as tf

    @tf.function(
        input_signature=[
            tf.TensorSpec([None, None, None], tf.float32),
            tf.TensorSpec([2], tf.int32),
            tf.TensorSpec([2], tf.int32),
        ],
        autograph=False,
    )
    def resize(logits: Any, content: Any, original: Any) -> Any:
        on_canvas = tf.compat.v1.image.resize_bilinear(
            logits[None], [CANVAS, CANVAS], align_corners=True
        )
        cropped = on_canvas[:, : content[0], : content[1]]

        def to_picture() -> Any:
            return tf.image.resize(cropped, original, method="bilinear")

        full = tf.cond(tf.reduce_all(content == original), lambda: cropped, to_picture)
        return tf.cast(tf.argmax(full[0], axis=-1, output_type=tf.int32), tf.uint8)

    return resize.get_concrete_function()


def fitted_size(height: int, width: int) -> Size:
    """The size at which a picture fits the canvas, as the official demo reckons it."""
    factor = min(1.0, CANVAS / max(height, width))
    return max(1, round(height * factor)), max(1, round(width * factor))


def normalised(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """A picture that fits the canvas as the network takes it: [513, 513, 3] in [-1, 1]."""
    image = np.zeros((CANVAS, CANVAS, 3), np.float32)
    image[: pixels.shape[0], : pixels.shape[1]] = pixels * np.float32(2 / 255) - 1
    return image
