from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray


def resize_aligned(logits: NDArray[np.float64], height: int, width: int) -> NDArray[np.float64]:
    """Bilinear resizing with the corners kept, from its definition."""

    def weights(points: int, source: int) -> NDArray[np.float64]:
        matrix = np.zeros((points, source))
        for point in range(points):
            at = point * (source - 1) / max(points - 1, 1)
            for index in range(source):
                matrix[point, index] = max(0.0, 1 - abs(at - index))
        return matrix

    rows, columns = weights(height, logits.shape[1]), weights(width, logits.shape[2])
    resized: NDArray[np.float64] = np.einsum("yh,xw,nhwc->nyxc", rows, columns, logits)
    return resized


def direct_loss(
    logits: NDArray[np.float32],
    truth: NDArray[np.uint8],
    class_weights: list[float],
    stride: int,
) -> float:
    """The weighted mean of cross-entropies, pixel by pixel."""
    n, height, width = truth.shape
    sampled = resize_aligned(
        logits.astype(np.float64), (height - 1) // stride + 1, (width - 1) // stride + 1
    )
    total = weight = 0.0
    for image in range(n):
        for row in range(sampled.shape[1]):
            for column in range(sampled.shape[2]):
                label = int(truth[image, row * stride, column * stride])
                if label < len(class_weights):
                    scores = sampled[image, row, column]
                    entropy = np.log(np.exp(scores).sum()) - scores[label]
                    total += class_weights[label] * entropy
                    weight += class_weights[label]
    return total / weight if weight else 0.0


@settings(max_examples=20)
@given(st.sampled_from([1, 2, 4]), st.integers(0, 99), st.floats(0, 1))
def test_the_loss_is_the_weighted_mean_over_labelled_pixels(
    stride: int, seed: int, ignored: float
) -> None:
    from beam_deeplab.deeplab.training.loss import segmentation_loss

    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 3, (2, 3, 4, 5)).astype(np.float32)
    truth = rng.integers(0, 5, (2, 9, 13), np.uint8)
    truth[rng.random(truth.shape) < ignored] = 255
    weights = [1.0, 0.5, 3.0, 0.0, 2.0]
    loss = float(segmentation_loss(logits, truth, weights, stride))
    assert loss == pytest.approx(direct_loss(logits, truth, weights, stride), rel=1e-5, abs=1e-6)


def test_what_is_ignored_has_no_gradient() -> None:
    import tensorflow as tf

    from beam_deeplab.deeplab.training.loss import segmentation_loss

    rng = np.random.default_rng(0)
    truth = rng.integers(0, 3, (1, 9, 9), np.uint8)
    truth[:, :, 4:] = 255
    logits = tf.Variable(rng.normal(0, 1, (1, 9, 9, 3)).astype(np.float32))
    with tf.GradientTape() as tape:
        loss = segmentation_loss(logits, truth, [1.0] * 3)
    gradient = tape.gradient(loss, logits).numpy()
    assert not gradient[:, :, 4:].any()
    assert (np.abs(gradient[:, :, :4]).sum(axis=-1) > 0).all()
    nothing = segmentation_loss(logits, np.full((1, 9, 9), 255, np.uint8), [1.0] * 3)
    assert float(nothing) == 0.0


def test_predictions_are_counted_by_class() -> None:
    from beam_deeplab.deeplab.training.loss import confusion

    rng = np.random.default_rng(1)
    logits = rng.normal(0, 1, (2, 3, 4, 3)).astype(np.float32)
    truth = rng.integers(0, 3, (2, 9, 13), np.uint8)
    truth[0, :4] = 255
    predicted = resize_aligned(logits.astype(np.float64), 9, 13).argmax(axis=-1)
    expected = np.zeros((3, 3), np.int64)
    labelled = truth < 3
    np.add.at(expected, (truth[labelled], predicted[labelled]), 1)
    np.testing.assert_array_equal(confusion(logits, truth).numpy(), expected)
