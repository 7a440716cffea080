"""Distributions from counts alone, against the values themselves."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from beam_deeplab.pipeline.reports.run_report.distributions import BINS, FINE, Distribution


@given(st.lists(st.integers(0, FINE - 1), min_size=1, max_size=60))
def test_a_distribution_is_that_of_its_values(places: list[int]) -> None:
    values = (np.array(places) + 0.5) / FINE
    found = Distribution.of(Counter(places))
    assert list(found.counts) == np.histogram(values, BINS, (0, 1))[0].tolist()
    quantiles = np.quantile(values, [0.1, 0.5, 0.9], method="inverted_cdf")
    assert (found.p10, found.median, found.p90) == pytest.approx(quantiles.tolist())


def test_of_no_values_nothing_is_known() -> None:
    assert Distribution.of({}) == Distribution((0,) * BINS, None, None, None)
