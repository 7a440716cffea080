"""One mIoU: what counting pixels gives."""

from __future__ import annotations

import numpy as np
import pytest

from beam_deeplab.deeplab.truth.scores import class_iou, known_mean, pixel_accuracy


def test_scores_equal_counting_pixels() -> None:
    rng = np.random.default_rng(0)
    truth, predicted = rng.integers(0, 4, (2, 5000))
    predicted = np.where(rng.random(5000) < 0.6, truth, predicted)
    confusion = np.zeros((5, 5), np.int64)
    np.add.at(confusion, (truth, predicted), 1)
    expected = [
        ((truth == k) & (predicted == k)).sum() / ((truth == k) | (predicted == k)).sum()
        for k in range(4)
    ]
    np.testing.assert_allclose(class_iou(confusion)[:4], expected, rtol=1e-12)
    assert np.isnan(class_iou(confusion)[4])
    assert known_mean(class_iou(confusion)) == pytest.approx(np.mean(expected), rel=1e-12)
    assert pixel_accuracy(confusion) == pytest.approx((truth == predicted).mean(), rel=1e-12)


def test_a_class_that_is_only_predicted_counts_as_missed() -> None:
    assert class_iou(np.array([[3, 1], [0, 0]])).tolist() == [0.75, 0.0]


def test_nothing_labelled_scores_nothing() -> None:
    empty = np.zeros((3, 3), np.int64)
    assert (known_mean(class_iou(empty)), pixel_accuracy(empty)) == (None, None)
