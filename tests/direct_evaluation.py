"""The definition of masks and confidences, written down as directly as it can be, in float64.

Bilinear interpolation is a weighted sum over grid points, with the weight ``max(0, 1 - distance)``
in each direction.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Size = tuple[int, int]


def weights(original: int, content: int, stride: int, points: int) -> NDArray[np.float64]:
    """How much each pixel of one side draws from each grid point: [original, points]."""
    pixels = np.arange(original)
    on_canvas = np.clip((pixels + 0.5) * content / original - 0.5, 0, content - 1)
    distance: NDArray[np.float64] = np.abs(on_canvas[:, None] / stride - np.arange(points))
    return (1 - distance).clip(min=0)


def interpolated(
    values: NDArray[np.float32], stride: int, content: Size, original: Size
) -> NDArray[np.float64]:
    """Values at every pixel of the original: [height, width, classes]."""
    down = weights(original[0], content[0], stride, values.shape[0])
    across = weights(original[1], content[1], stride, values.shape[1])
    rows = np.tensordot(down, values.astype(np.float64), axes=(1, 0))
    return np.moveaxis(np.tensordot(rows, across, axes=(1, 1)), 1, 2)


def confidences(
    logits: NDArray[np.float32],
    labels: NDArray[np.uint8],
    stride: int,
    content: Size,
    original: Size,
) -> dict[int, float]:
    """Mean confidence of each label present, from float32 probabilities at the grid points."""
    own = own_probabilities(logits, labels, stride, content, original)
    return {int(label): float(own[labels == label].mean()) for label in np.unique(labels)}


def own_probabilities(
    logits: NDArray[np.float32],
    labels: NDArray[np.uint8],
    stride: int,
    content: Size,
    original: Size,
) -> NDArray[np.float64]:
    """The probability of each pixel's label, from float32 probabilities at the grid points."""
    powers = np.exp(logits - logits.max(axis=2, keepdims=True))
    probabilities = interpolated(
        powers / powers.sum(axis=2, keepdims=True), stride, content, original
    )
    own: NDArray[np.float64] = np.take_along_axis(
        probabilities, labels[..., None].astype(int), axis=2
    )[..., 0]
    return own


def assert_labels_are_winners(
    labels: NDArray[np.uint8], logits: NDArray[np.float32], stride: int, content: Size
) -> None:
    """Labels equal the argmax of the interpolated logits, except where float rounding decides."""
    down = weights(labels.shape[0], content[0], stride, logits.shape[0])
    across = weights(labels.shape[1], content[1], stride, logits.shape[1])
    columns = np.tensordot(across, logits.astype(np.float64), axes=(1, 1))
    for first in range(0, labels.shape[0], 64):  # the values of a whole picture take gigabytes
        band = slice(first, first + 64)
        values = np.tensordot(down[band], columns, axes=(1, 1))
        chosen = np.take_along_axis(values, labels[band][..., None].astype(int), axis=2)[..., 0]
        lost = (values.max(axis=2) - chosen)[labels[band] != values.argmax(axis=2)]
        assert lost.max(initial=0) <= 1e-12 * np.abs(logits).max(), (
            f"{lost.size} labels differ, by up to {lost.max()} in their logits"
        )
