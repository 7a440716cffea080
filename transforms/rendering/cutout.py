"""The subject alone: transparent around it, or before another background."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from beam_deeplab.transforms.rendering.portrait import blend
from beam_deeplab.transforms.rendering.strips import ceil_div, enlarged_strips

_REDUCED_SIDE = 1024
_REACH = 1 / 32
"""How far the subject's own colour is looked for, over the longer side of the reduced copy."""

_LEAST_REACH = 8


def subject_colours(picture: NDArray[np.uint8], matte: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The picture without the background's colour in the pixels that the subject covers in part.

    The colours of both are means around a pixel, mended by what they leave unexplained of it
    (Forte, Approximate Fast Foreground Colour Estimation, 2021).

    Args:
        picture: uint8 RGB of shape [height, width, 3].
        matte: The subject's share, 255 for all: uint8 of shape [height, width].

    Returns:
        uint8 RGB of the same shape: the picture where the matte is 255, 0 where it is 0.
    """
    height, width, _ = picture.shape
    factor = ceil_div(max(height, width), _REDUCED_SIDE)
    size = ceil_div(width, factor), ceil_div(height, factor)
    reduced = cv2.resize(picture, size, interpolation=cv2.INTER_AREA).astype(np.float32)
    share = cv2.resize(matte, size, interpolation=cv2.INTER_AREA)[..., None] * np.float32(1 / 255)
    radius = max(_LEAST_REACH, round(max(size) * _REACH))
    means = np.dstack(
        [_mean_around(reduced, share, radius), _mean_around(reduced, 1 - share, radius)]
    )
    colours = np.zeros_like(picture)
    cv2.copyTo(picture, (matte == 255).view(np.uint8), colours)
    for rows, strip in enlarged_strips(np.rint(means).astype(np.uint8), factor, height, width):
        mixed = (matte[rows] > 0) & (matte[rows] < 255)
        share = matte[rows][mixed][:, None] * np.float32(1 / 255)
        own, others = np.hsplit(strip[mixed].astype(np.float32), 2)
        unexplained = picture[rows][mixed] - share * own - (1 - share) * others
        colours[rows][mixed] = np.rint(np.clip(own + share * unexplained, 0, 255))
    return colours


def _mean_around(
    pixels: NDArray[np.float32], share: NDArray[np.float32], radius: int
) -> NDArray[np.float32]:
    """Mean colours, to which pixels with the largest shares add most: [height, width, 3]."""
    weight = share**4
    side = 2 * radius + 1
    sums = cv2.blur(np.dstack([pixels * weight, weight]), (side, side))
    means: NDArray[np.float32] = sums[..., :3] / np.maximum(sums[..., 3:], np.float32(1e-6))
    return means


def cutout(picture: NDArray[np.uint8], matte: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The subject with the matte as alpha.

    Arguments are those of :func:`subject_colours`.

    Returns:
        uint8 RGBA of shape [height, width, 4]; what is fully transparent is black.
    """
    return np.dstack([subject_colours(picture, matte), matte])


def before(
    picture: NDArray[np.uint8], matte: NDArray[np.uint8], background: NDArray[np.uint8]
) -> NDArray[np.uint8]:
    """The subject before another background, which is cut to the picture's size.

    Args:
        picture: uint8 RGB of shape [height, width, 3].
        matte: The subject's share, 255 for all: uint8 of shape [height, width].
        background: uint8 RGB of any size: enlarged or reduced to cover the picture, its middle
            shown.

    Returns:
        uint8 RGB of the picture's shape.
    """
    return blend(subject_colours(picture, matte), _covering(background, *matte.shape), matte)


def _covering(background: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    scale = max(height / background.shape[0], width / background.shape[1])
    size = [
        max(wanted, round(side * scale))
        for wanted, side in zip((height, width), background.shape[:2], strict=True)
    ]
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    scaled: NDArray[np.uint8] = cv2.resize(background, size[::-1], interpolation=method)
    top, left = (size[0] - height) // 2, (size[1] - width) // 2
    return scaled[top : top + height, left : left + width].copy()
