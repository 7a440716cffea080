"""Peers that are no Beam pipelines: the official way, and a good tf.data pipeline with Keras.

Both give the outputs of :mod:`benchmarks.outputs`. Loading, tracing and a first picture are their
start-up, which their rate does not contain. Thread pools are TensorFlow's defaults, one thread a
core.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from beam_deeplab.deeplab.quiet_tensorflow import import_tensorflow_quietly
from benchmarks.official import (
    CANVAS,
    FrozenGraph,
    Labels,
    fitted_size,
    labels_by_tensorflow,
)
from benchmarks.outputs import PeerOutput

BATCH_SIZE = 8


class OfficialWay:
    """One photo after the other, as the official demo does: Pillow, frozen graph, PNG, bincount.

    A photo that fits the canvas gets the graph's own labels. A larger one is decoded in full and
    reduced to the canvas with Pillow's antialiasing filter, and its full-size labels come from the
    graph's logits by TensorFlow's resizes and argmax.

    Args:
        frozen_graph: The ``.pb`` file.
        palette: 768 bytes.
        warm_up: A photo like those to come.
    """

    def __init__(self, frozen_graph: Path, palette: bytes, warm_up: Path) -> None:
        self._graph = FrozenGraph(frozen_graph)
        self._palette = palette
        self._label(warm_up)

    def run(self, photos: Sequence[Path], folder: Path) -> float:
        """Seconds for these photos."""
        start = time.perf_counter()
        output = PeerOutput(folder, self._palette)
        for photo in photos:
            output.write(photo, self._label(photo))
        output.close()
        return time.perf_counter() - start

    def _label(self, photo: Path) -> Labels:
        pixels, original = decode_and_fit(photo)
        if pixels.shape[:2] == original:
            return self._graph.labels(pixels)
        return labels_by_tensorflow(self._graph.logits(pixels), pixels.shape[:2], original)


def decode_and_fit(photo: Path) -> tuple[NDArray[np.uint8], tuple[int, int]]:
    """Pillow's full decode, reduced to the canvas if need be; and the original's size."""
    with Image.open(photo) as file:
        image = file.convert("RGB")
    height, width = fitted_size(image.height, image.width)
    original = (image.height, image.width)
    if (height, width) != original:
        image = image.resize((width, height), Image.Resampling.LANCZOS)
    return np.asarray(image), original


class KerasDataset:
    """tf.data decodes and batches ahead, Keras predicts batches of 8, threads do the rest.

    Decoding runs in parallel (AUTOTUNE) and a batch ahead of the network; resizes, argmax, PNG
    and bincount of a batch run on one thread a core while the next batch is predicted.

    Args:
        model: The checkpoint.
        palette: 768 bytes.
        warm_up: A photo like those to come.
    """

    def __init__(self, model: Path, palette: bytes, warm_up: Path) -> None:
        self._network = load_keras_network(model)
        self._palette = palette
        self._pool = ThreadPoolExecutor(len(os.sched_getaffinity(0)))
        images, contents, originals = next(iter(self._dataset([warm_up] * BATCH_SIZE)))
        logits = self._network.predict_on_batch(images)
        labels_by_tensorflow(logits[0], tuple(contents[0].numpy()), tuple(originals[0].numpy()))

    def run(self, photos: Sequence[Path], folder: Path) -> float:
        """Seconds for these photos."""
        start = time.perf_counter()
        output = PeerOutput(folder, self._palette)
        pending: list[Future[None]] = []

        def finish(photo: Path, logits: Any, content: Any, original: Any) -> None:
            output.write(photo, labels_by_tensorflow(logits, tuple(content), tuple(original)))

        remaining = iter(photos)
        for images, contents, originals in self._dataset(photos):
            logits = self._network.predict_on_batch(images)
            for future in pending:
                future.result()
            pending = [
                self._pool.submit(finish, next(remaining), *row)
                for row in zip(logits, contents.numpy(), originals.numpy(), strict=True)
            ]
        for future in pending:
            future.result()
        output.close()
        return time.perf_counter() - start

    def _dataset(self, photos: Sequence[Path]) -> Any:
        import tensorflow as tf

        def decode(path: Any) -> Any:
            pixels = tf.io.decode_jpeg(tf.io.read_file(path), channels=3)
            original = tf.shape(pixels)[:2]
            factor = tf.minimum(1.0, CANVAS / tf.cast(tf.reduce_max(original), tf.float32))
            content = tf.cast(tf.round(tf.cast(original, tf.float32) * factor), tf.int32)
            image = tf.cond(
                tf.reduce_all(content == original),
                lambda: tf.cast(pixels, tf.float32),
                lambda: tf.image.resize(pixels, content, method="area"),
            )
            image = tf.ensure_shape(image, [None, None, 3]) * (2 / 255) - 1
            image = tf.image.pad_to_bounding_box(image, 0, 0, CANVAS, CANVAS)
            return image, content, original

        dataset = tf.data.Dataset.from_tensor_slices([str(photo) for photo in photos])
        dataset = dataset.map(decode, num_parallel_calls=tf.data.AUTOTUNE)
        return dataset.batch(BATCH_SIZE).prefetch(1)


def load_keras_network(model: Path) -> Any:
    """The network of a checkpoint, in Keras on TensorFlow."""
    import_tensorflow_quietly()
    from beam_deeplab.deeplab.checkpoints import load_network

    return load_network(model, 16, (CANVAS, CANVAS))
