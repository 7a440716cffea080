"""Bilinear resizing under which corner points stay corner points, in NumPy.

What TensorFlow calls ``tf.compat.v1.image.resize_bilinear(align_corners=True)``, by which the
official graphs resize images and logits. OpenCV and Pillow have no such mode.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def resize_aligned(images: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.float32]:
    """Resizes images or logits.

    Out of m points of a side, point i of the n new ones lies at i (m - 1) / (n - 1), reckoned in
    float32 as TensorFlow does.

    Args:
        images: float32 of shape [n, height, width, channels], sides at least 1.
        size: New height and width, at least 1.

    Returns:
        float32 of shape ``[n, *size, channels]``; ``images`` itself where it has that size.
    """
    # The side that shrinks most goes first: the other one then has less to do.
    for axis in sorted((1, 2), key=lambda axis: size[axis - 1] / images.shape[axis]):
        images = _resize_axis(images, axis, size[axis - 1])
    return images


def _resize_axis(values: NDArray[np.float32], axis: int, points: int) -> NDArray[np.float32]:
    last = values.shape[axis] - 1
    if points == last + 1:
        return values
    scale = np.float32(last) / np.float32(max(points - 1, 1))
    position = np.arange(points, dtype=np.float32) * scale
    lower = np.minimum(position.astype(np.intp), last)
    upper = np.minimum(lower + 1, last)
    weight = (position - lower.astype(np.float32)).reshape(-1, *[1] * (3 - axis))
    result: NDArray[np.float32] = values.take(upper, axis=axis)
    below = values.take(lower, axis=axis)
    result -= below
    result *= weight
    result += below
    return result
