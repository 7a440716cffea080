from __future__ import annotations

import numpy as np

from beam_deeplab.deeplab.softmax import softmax


def test_softmax_of_large_logits() -> None:
    probabilities = softmax(np.array([[1e30, 0.0, 1e30], [-1e30, 5.0, 5.0]], np.float32))
    assert probabilities.dtype == np.float32
    np.testing.assert_array_equal(probabilities, [[0.5, 0, 0.5], [0, 0.5, 0.5]])
