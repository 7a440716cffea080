from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beam_deeplab.deeplab.engines import ScaleError, checked_scales
from beam_deeplab.deeplab.engines.scales import OFFICIAL_SCALES, scaled_canvas


@pytest.mark.parametrize("stride", [8, 16])
@pytest.mark.parametrize("canvas", [(513, 513), (1025, 2049)])
@pytest.mark.parametrize("scale", OFFICIAL_SCALES)
def test_official_sizes_need_no_rounding(
    canvas: tuple[int, int], scale: float, stride: int
) -> None:
    """``scale_dimension`` of research/deeplab/core/utils.py."""
    expected = tuple(int((float(side) - 1.0) * scale + 1.0) for side in canvas)
    assert scaled_canvas(canvas, scale, stride) == expected


@given(
    points=st.tuples(st.integers(1, 200), st.integers(1, 200)),
    scale=st.floats(0.25, 4),
    stride=st.sampled_from([8, 16]),
)
def test_every_scaled_side_suits_the_stride_and_is_the_nearest_that_does(
    points: tuple[int, int], scale: float, stride: int
) -> None:
    canvas = points[0] * stride + 1, points[1] * stride + 1
    for side, scaled in zip(canvas, scaled_canvas(canvas, scale, stride), strict=True):
        assert scaled % stride == 1
        assert scaled > stride
        exact = (side - 1) * scale + 1
        assert abs(scaled - exact) <= stride / 2 or (scaled == stride + 1 and exact < scaled)
    assert scaled_canvas(canvas, 1.0, stride) == canvas


def test_a_side_of_one_pixel_stays_one() -> None:
    assert scaled_canvas((1, 33), 0.5, 16) == (1, 17)
    assert scaled_canvas((1, 33), 4.0, 16) == (1, 129)


def test_scales_are_put_in_order() -> None:
    assert checked_scales([1.5, 1, 0.25]) == (0.25, 1.0, 1.5)


@pytest.mark.parametrize(
    ("scales", "message"),
    [
        ([], "give at least one scale"),
        ([0.5, 1, 0.5], "0.5 is given more than once"),
        ([0.2, 1], "0.2 is no scale from 0.25 to 4"),
        ([1, 4.5], "4.5 is no scale from 0.25 to 4"),
        ([float("nan")], "nan is no scale from 0.25 to 4"),
        ([-1], "-1 is no scale from 0.25 to 4"),
    ],
)
def test_scales_that_cannot_be_had_are_one_clear_line(scales: list[float], message: str) -> None:
    with pytest.raises(ScaleError) as caught:
        checked_scales(scales)
    assert str(caught.value) == message
