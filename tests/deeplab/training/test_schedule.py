from __future__ import annotations

import numpy as np
import pytest

from beam_deeplab.deeplab.training.config import OptimizerConfig


@pytest.mark.parametrize(("power", "warmup"), [(0.9, 0), (2.0, 0), (0.9, 10)])
def test_the_rate_is_the_poly_schedule(power: float, warmup: int) -> None:
    from beam_deeplab.deeplab.training.schedule import poly_rate

    config = OptimizerConfig(learning_rate=0.05, power=power, warmup_steps=warmup)
    steps = np.arange(120)
    expected = 0.05 * np.maximum(1 - steps / 100, 0) ** power
    if warmup:
        expected *= np.minimum((steps + 1) / warmup, 1)
    rates = [float(poly_rate(step, 100, config)) for step in steps]
    np.testing.assert_allclose(rates, expected, rtol=2e-5, atol=1e-9)
    assert rates[100:] == [0.0] * 20
