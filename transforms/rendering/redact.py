"""Making classes unrecognisable: in blocks of one colour each, or filled."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

_COVERED = 64
"""Of 255: a pixel is covered where the classes' probability is at least a quarter. What is hidden
in vain costs little, and what is shown cannot be taken back."""

_BLOCKS = 24
"""How many blocks the shorter side has."""

_SMALLEST_BLOCK = 8


def covered(matte: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Which pixels are redacted.

    Args:
        matte: The probability of the redacted classes, 255 for 1: uint8 [height, width].

    Returns:
        bool of the same shape.
    """
    return matte >= _COVERED


def pixelate(picture: NDArray[np.uint8], cover: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Blocks that hold a covered pixel become their mean colour; the others stay as they are.

    Args:
        picture: uint8 RGB of shape [height, width, 3].
        cover: bool of shape [height, width].

    Returns:
        uint8 RGB of the picture's shape.
    """
    height, width = cover.shape
    side = block_side(height, width)
    below, right = -height % side, -width % side
    padded = cv2.copyMakeBorder(picture, 0, below, 0, right, cv2.BORDER_REPLICATE)
    lines, columns = padded.shape[0] // side, padded.shape[1] // side
    means = cv2.resize(padded, (columns, lines), interpolation=cv2.INTER_AREA)
    blocks = np.pad(cover, ((0, below), (0, right))).reshape(lines, side, columns, side)
    touched = blocks.any(axis=(1, 3))
    result = picture.copy()
    for line, column in zip(*np.nonzero(touched), strict=True):
        top, left = line * side, column * side
        result[top : top + side, left : left + side] = means[line, column]
    return result


def block_side(height: int, width: int) -> int:
    """Pixels of a block's side for a picture's size."""
    return max(_SMALLEST_BLOCK, round(min(height, width) / _BLOCKS))


def fill(
    picture: NDArray[np.uint8], cover: NDArray[np.bool_], colour: tuple[int, int, int]
) -> NDArray[np.uint8]:
    """Covered pixels become one colour; arguments are those of :func:`pixelate`."""
    result = picture.copy()
    result[cover] = colour
    return result
