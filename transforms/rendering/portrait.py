"""A sharp subject before a background that a lens has thrown out of focus.

The background goes through a disc, as through an aperture, in linear light. It is blurred from
background only (a normalised convolution), so that the subject does not bleed into a halo.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from beam_deeplab.transforms.rendering.light import to_light, to_srgb
from beam_deeplab.transforms.rendering.strips import enlarged_strips, reduce_in_strips

_WIDEST = 0.03
"""Radius of the disc at strength 1, over the picture's shorter side."""

_SMALL_RADIUS = 4
"""Up to this the disc is drawn at full size, which costs by its area; larger ones on a copy."""

_REDUCED_RADIUS = 8
"""Pixels of the copy that a disc's radius has at least where it is reduced further than by half."""

_SUBPIXELS = 8
_LEAST_WEIGHT = np.float32(1e-7)


def disc_radius(strength: float, height: int, width: int) -> float:
    """The radius in pixels for a strength in [0, 1] and a picture's size."""
    return strength * _WIDEST * min(height, width)


def disc_kernel(radius: float) -> NDArray[np.float32]:
    """A disc whose edge pixels count as far as it covers them: float32, square, sum 1."""
    reach = int(np.ceil(radius - 0.5)) if radius > 0.5 else 0
    side = 2 * reach + 1
    places = (np.arange(side * _SUBPIXELS) + 0.5) / _SUBPIXELS - side / 2
    covered = places[:, None] ** 2 + places**2 <= max(radius, 0.5) ** 2
    shares = covered.reshape(side, _SUBPIXELS, side, _SUBPIXELS).mean(axis=(1, 3))
    kernel: NDArray[np.float32] = (shares / shares.sum()).astype(np.float32)
    return kernel


def background_light(
    picture: NDArray[np.uint8], matte: NDArray[np.uint8], radius: float
) -> tuple[NDArray[np.float32], int]:
    """The background's light through a disc, from background only.

    Args:
        picture: uint8 RGB of shape [height, width, 3].
        matte: The subject's share, 255 for all: uint8 of shape [height, width].
        radius: Of the disc, in pixels.

    Returns:
        float32 of shape [ceil(height / factor), ceil(width / factor), 3], 0 where no background
        is in reach, and the factor, 1 for small discs.
    """
    height, width, _ = picture.shape
    factor = max(2, int(radius / _REDUCED_RADIUS)) if radius > _SMALL_RADIUS else 1

    def weighted(rows: slice) -> NDArray[np.float32]:
        light = np.empty((*matte[rows].shape, 4), np.float32)
        light[..., 3] = (255 - matte[rows]) * np.float32(1 / 255)
        np.multiply(to_light(picture[rows]), light[..., 3:], out=light[..., :3])
        return light

    reduced = reduce_in_strips(height, width, factor, weighted)
    sums = cv2.filter2D(reduced, -1, disc_kernel(radius / factor), borderType=cv2.BORDER_CONSTANT)
    return sums[..., :3] / np.maximum(sums[..., 3:], _LEAST_WEIGHT), factor


def portrait(
    picture: NDArray[np.uint8], matte: NDArray[np.uint8], radius: float
) -> NDArray[np.uint8]:
    """The picture with its background out of focus; where the matte is 255 it is as it was.

    Arguments are those of :func:`background_light`.

    Returns:
        uint8 RGB of the picture's shape.
    """
    if radius <= 0.5:
        return picture
    height, width, _ = picture.shape
    light, factor = background_light(picture, matte, radius)
    result = np.empty_like(picture)
    for rows, strip in enlarged_strips(to_srgb(light), factor, height, width):
        result[rows] = strip
    return blend(picture, result, matte)


def blend(
    front: NDArray[np.uint8], back: NDArray[np.uint8], matte: NDArray[np.uint8]
) -> NDArray[np.uint8]:
    """Lays a picture over ``back``, in place, in linear light; gives ``back``."""
    cv2.copyTo(front, (matte == 255).view(np.uint8), back)
    mixed = (matte > 0) & (matte < 255)
    share = matte[mixed][:, None] * np.float32(1 / 255)
    back[mixed] = to_srgb(share * to_light(front[mixed]) + (1 - share) * to_light(back[mixed]))
    return back
