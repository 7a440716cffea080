"""A short list of narrower canvases, which spare a picture the padding that its aspect brings.

The logits of a picture depend a little on its padding, since the image-level pool sees it
(DeepLab-v3, section 3.3); so buckets are a choice, recorded with the run.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from beam_deeplab.transforms.geometry import Canvas

ASPECTS = (Fraction(9, 16), Fraction(2, 3), Fraction(3, 4), Fraction(1))
"""Short side over long side of what cameras and screens make; any other takes the next one up."""


def canvas_buckets(canvas: Canvas, stride: int) -> tuple[Canvas, ...]:
    """The canvases that pictures fitted to ``canvas`` are padded to, smallest first, at most seven.

    Each side is a multiple of the output stride plus one, and ``canvas`` itself is the last.

    Raises:
        ValueError: The canvas does not suit the stride.
    """
    canvas.grid_size(stride)
    long_side = max(canvas.height, canvas.width)
    sides = [_holding(long_side * aspect, stride) for aspect in ASPECTS]
    flat = {Canvas(min(side, canvas.height), canvas.width) for side in sides}
    upright = {Canvas(canvas.height, min(side, canvas.width)) for side in sides}
    return tuple(sorted(flat | upright, key=lambda each: (each.height * each.width, each)))


def bucket_for(height: int, width: int, buckets: Sequence[Canvas]) -> Canvas:
    """The smallest of some sorted buckets that holds a picture; ValueError if none does."""
    for bucket in buckets:
        if height <= bucket.height and width <= bucket.width:
            return bucket
    raise ValueError(f"a picture of {height} x {width} fits none of {list(buckets)}")


def _holding(side: Fraction, stride: int) -> int:
    """The smallest multiple of the stride plus one that is no less than ``side``, rounded."""
    return -(-(round(side) - 1) // stride) * stride + 1
