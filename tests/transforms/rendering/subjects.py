"""Pictures and mattes, and logits with a subject in the middle, for tests of effects."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from beam_deeplab.transforms.records import ImageRef, LogitsGrid, Original


@dataclass(frozen=True)
class Scene:
    """A picture, uint8 [height, width, 3], and a matte, uint8 [height, width]."""

    picture: NDArray[np.uint8]
    matte: NDArray[np.uint8]


@st.composite
def scenes(draw: st.DrawFn, max_side: int = 48) -> Scene:
    """Noise, and a matte of an ellipse that is 255 inside and has a soft edge, or none at all."""
    height, width = draw(st.integers(1, max_side)), draw(st.integers(1, max_side))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    picture = rng.integers(0, 256, (height, width, 3), np.uint8)
    rows, columns = np.mgrid[:height, :width]
    distance = np.hypot(
        (rows - draw(st.integers(0, height))) / height, (columns - width / 2) / width
    )
    reach, softness = draw(st.floats(0, 1)), draw(st.floats(1e-3, 0.5))
    matte = np.clip((reach - distance) / softness + 0.5, 0, 1)
    return Scene(picture, np.rint(matte * 255).astype(np.uint8))


def centred_answer(
    height: int, width: int, *, points: int = 9, stride: int = 8, reach: float = 0.25
) -> LogitsGrid:
    """Logits of two classes for a picture on a whole canvas: class 1 in a disc in its middle."""
    rows, columns = np.mgrid[:points, :points] / (points - 1)
    logits = np.zeros((points, points, 2), np.float32)
    logits[..., 1] = (reach - np.hypot(rows - 0.5, columns - 0.5)) * 40
    side = (points - 1) * stride + 1
    return LogitsGrid(ImageRef("a.png"), logits, stride, side, side, Original(height, width))
