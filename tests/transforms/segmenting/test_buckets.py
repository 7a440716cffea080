"""Buckets hold what they are for, and no more than the canvas."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beam_deeplab.transforms.geometry import Canvas, fit_size
from beam_deeplab.transforms.segmenting.buckets import bucket_for, canvas_buckets


def test_the_buckets_of_the_voc_canvas() -> None:
    sides = [(bucket.height, bucket.width) for bucket in canvas_buckets(Canvas(513, 513), 16)]
    assert sides == [
        (289, 513),
        (513, 289),
        (353, 513),
        (513, 353),
        (385, 513),
        (513, 385),
        (513, 513),
    ]


def test_cityscapes_needs_none_but_its_own() -> None:
    assert canvas_buckets(Canvas(1025, 2049), 16)[-1] == Canvas(1025, 2049)
    assert bucket_for(1024, 2048, canvas_buckets(Canvas(1025, 2049), 16)) == Canvas(1025, 2049)


@pytest.mark.parametrize(
    ("height", "width", "bucket"),
    [
        (375, 500, (385, 513)),
        (1080, 1920, (289, 513)),
        (4000, 3000, (513, 385)),
        (2000, 3000, (353, 513)),
        (500, 500, (513, 513)),
        (10, 10, (289, 513)),
    ],
)
def test_common_pictures(height: int, width: int, bucket: tuple[int, int]) -> None:
    canvas = Canvas(513, 513)
    content = fit_size(height, width, canvas)
    assert bucket_for(*content, canvas_buckets(canvas, 16)) == Canvas(*bucket)


@given(
    rows=st.integers(1, 40),
    columns=st.integers(1, 40),
    stride=st.sampled_from([8, 16]),
    height=st.integers(1, 3000),
    width=st.integers(1, 3000),
)
def test_every_fitted_picture_has_the_smallest_bucket_that_holds_it(
    rows: int, columns: int, stride: int, height: int, width: int
) -> None:
    canvas = Canvas(rows * stride + 1, columns * stride + 1)
    buckets = canvas_buckets(canvas, stride)
    assert len(buckets) <= 7
    content = fit_size(height, width, canvas)
    chosen = bucket_for(*content, buckets)
    chosen.grid_size(stride)
    assert content[0] <= chosen.height <= canvas.height
    assert content[1] <= chosen.width <= canvas.width
    for other in buckets:
        if other.height * other.width < chosen.height * chosen.width:
            assert other.height < content[0] or other.width < content[1]


def test_a_picture_beyond_the_canvas_is_an_error() -> None:
    with pytest.raises(ValueError, match="fits none"):
        bucket_for(600, 10, canvas_buckets(Canvas(513, 513), 16))
