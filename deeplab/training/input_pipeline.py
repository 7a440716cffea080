"""Batches for training and validation, as ``tf.data`` datasets."""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from beam_deeplab.deeplab.training.augmentation import View, draw_view, look, shuffled_order
from beam_deeplab.deeplab.training.config import TrainingConfig
from beam_deeplab.deeplab.training.samples import Samples

_AHEAD = 2


def steps_an_epoch(pictures: int, batch_size: int) -> int:
    """Full batches that the pictures make; one, if they are fewer than a batch."""
    return max(1, pictures // batch_size)


def training_batches(samples: Samples, config: TrainingConfig, epoch: int) -> tf.data.Dataset:
    """One epoch, counted from 0, in its own order; what does not fill a batch is left out.

    Returns:
        Batches of float32 [n, height, width, 3] in [-1, 1] and uint8 ids [n, height, width].
    """
    settings = config.optimizer
    size = min(settings.batch_size, len(samples))
    order = shuffled_order(len(samples), settings.seed, epoch)
    order = order[: size * steps_an_epoch(len(samples), settings.batch_size)]
    view_of = functools.partial(draw_view, config.input, settings.seed, epoch)
    views = _views(samples, order, view_of, config.input.crop_of(epoch))
    return views.batch(size).prefetch(_AHEAD)


def validation_batches(
    samples: Samples, canvas: tuple[int, int], batch_size: int
) -> tf.data.Dataset:
    """Every picture once, unchanged but for its padding; the last batch may be smaller."""
    order = np.arange(len(samples))
    views = _views(samples, order, lambda _: View(), canvas)
    return views.batch(batch_size).prefetch(_AHEAD)


def _views(
    samples: Samples,
    order: NDArray[np.int64],
    view_of: Callable[[int], View],
    canvas: tuple[int, int],
) -> tf.data.Dataset:
    def make(picture: NDArray[np.int64]) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
        index = int(picture)
        return look(samples[index], view_of(index), canvas)

    def load(picture: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        image, truth = tf.numpy_function(make, [picture], [tf.float32, tf.uint8])
        return tf.ensure_shape(image, (*canvas, 3)), tf.ensure_shape(truth, canvas)

    pictures = tf.data.Dataset.from_tensor_slices(order)
    return pictures.map(load, num_parallel_calls=_AHEAD, deterministic=True)
