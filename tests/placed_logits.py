"""Logits of every kind, and pictures laid over them, for hypothesis."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.direct_evaluation import Size


@dataclass(frozen=True, slots=True)
class PlacedLogits:
    """Logits and the picture that lies on them."""

    logits: NDArray[np.float32]
    stride: int
    content: Size
    original: Size


@st.composite
def placed_logits(
    draw: st.DrawFn,
    *,
    exact: bool = False,
    max_classes: int = 8,
    max_points: int = 6,
    max_side: int = 90,
) -> PlacedLogits:
    """Draw logits with large uniform areas, small ones, noise or many ties.

    Args:
        draw: Hypothesis's.
        exact: Only small integers and pictures that are not reduced, so that interpolation at a
            stride that is a power of two is exact and ties are real.
        max_classes: The largest number of classes.
        max_points: The largest number of grid points a side.
        max_side: The largest side of the original.
    """
    stride = draw(st.sampled_from([1, 2, 4, 8, 16]))
    points = draw(st.integers(1, max_points)), draw(st.integers(1, max_points))
    classes = draw(st.integers(1, max_classes))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    logits = rng.integers(-3, 4, (*points, classes)).astype(np.float32)
    if not exact:
        scale = draw(st.sampled_from([0.0, 1e-3, 1.0, 30.0]))
        logits = logits + scale * rng.standard_normal(logits.shape, np.float32)
    if draw(st.booleans()):  # most cells uniform
        logits[..., draw(st.integers(0, classes - 1))] += draw(st.integers(1, 6))
    reach = [(count - 1) * stride + 1 for count in points]
    content = draw(st.integers(1, reach[0])), draw(st.integers(1, reach[1]))
    if exact or draw(st.booleans()):
        return PlacedLogits(logits, stride, content, content)
    original = tuple(draw(st.integers(side, max(side, max_side))) for side in content)
    return PlacedLogits(logits, stride, content, (original[0], original[1]))
