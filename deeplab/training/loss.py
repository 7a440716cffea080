"""The loss at every labelled pixel, and what predictions are counted into."""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf

from beam_deeplab.deeplab.architecture.layers import Tensor
from beam_deeplab.deeplab.training.twin import resize_aligned


def segmentation_loss(
    logits: Tensor, truth: Tensor, class_weights: Sequence[float], stride: int = 1
) -> Tensor:
    """Cross-entropy of the logits, resized to the crop as the official training does.

    Args:
        logits: float32 [n, h, w, classes]; their grid shares the crop's corners.
        truth: uint8 ids [n, height, width]; what is no class counts nothing.
        class_weights: One weight a class.
        stride: Distance of the crop's pixels that are looked at; both sides of the crop are
            multiples of it plus one. 1 looks at all, as officially; more is faster.

    Returns:
        The mean over the labelled pixels of all pictures, each weighted by its class; 0 where
        there is none.
    """
    labels = tf.cast(truth[:, ::stride, ::stride], tf.int32)
    resized = resize_aligned(logits, labels.shape[1], labels.shape[2])
    labelled = labels < len(class_weights)
    labels = tf.where(labelled, labels, 0)
    entropy = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, resized)
    weights = tf.gather(tf.constant(class_weights, tf.float32), labels)
    weights = tf.where(labelled, weights, 0.0)
    return tf.math.divide_no_nan(tf.reduce_sum(entropy * weights), tf.reduce_sum(weights))


def confusion(logits: Tensor, truth: Tensor) -> Tensor:
    """Counts which class was taken for which.

    Args:
        logits: float32 [n, h, w, classes].
        truth: uint8 ids [n, height, width]; what is no class counts nothing.

    Returns:
        int64 [classes, classes]: pixels by class (rows) and by predicted class (columns); the
        prediction is the largest of the logits, resized to the truth.
    """
    classes = logits.shape[-1]
    resized = resize_aligned(logits, truth.shape[1], truth.shape[2])
    predicted = tf.argmax(resized, axis=-1, output_type=tf.int32)
    labels = tf.cast(truth, tf.int32)
    cells = tf.boolean_mask(labels * classes + predicted, labels < classes)
    counts = tf.math.bincount(cells, minlength=classes * classes, dtype=tf.int64)
    return tf.reshape(counts, [classes, classes])
