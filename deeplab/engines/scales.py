"""At which sizes a network looks at a picture, for inference at several scales.

Imports nothing heavy: flags are checked by it.
"""

from __future__ import annotations

from collections.abc import Iterable

PLAIN = (1.0,)
"""The canvas as it is, and no other size."""

OFFICIAL_SCALES = (0.5, 0.75, 1.0, 1.25, 1.5, 1.75)
"""What the official evaluation takes for its best figures (research/deeplab/g3doc)."""

_LIMITS = (0.25, 4.0)


class ScaleError(ValueError):
    """Scales that cannot be had; the message is one line that says what to do."""


def checked_scales(scales: Iterable[float]) -> tuple[float, ...]:
    """Scales, which are factors on the canvas's sides, in order: so theirs decides nothing.

    Raises:
        ScaleError: There is none, one of them twice, or one outside 0.25 to 4.
    """
    ordered = tuple(sorted(float(scale) for scale in scales))
    low, high = _LIMITS
    if not ordered:
        raise ScaleError("give at least one scale")
    for scale in ordered:
        if not low <= scale <= high:
            raise ScaleError(f"{scale:g} is no scale from {low:g} to {high:g}")
        if ordered.count(scale) > 1:
            raise ScaleError(f"{scale:g} is given more than once")
    return ordered


def scaled_canvas(canvas: tuple[int, int], scale: float, output_stride: int) -> tuple[int, int]:
    """The size of a canvas (height, width) at a scale, in multiples of the output stride plus one.

    Corners stay corners, so a side without its first pixel is what is scaled, as in the official
    ``scale_dimension`` (research/deeplab/core/utils.py). The result is the nearest size that suits
    the output stride: the official scales at the official canvases need no rounding. A side of more
    than one pixel keeps more than one.
    """
    height, width = (
        max(min(side - 1, output_stride), _nearest((side - 1) * scale, output_stride)) + 1
        for side in canvas
    )
    return height, width


def _nearest(length: float, stride: int) -> int:
    """The nearest multiple of the stride, halves upwards."""
    return int(length / stride + 0.5) * stride
