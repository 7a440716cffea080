"""How much of each pixel is subject: the network's probabilities, refined at the picture's edges.

The probabilities are those of the mask, with its mapping. Within a cell of their grid around the
outline a guided filter (He, Sun and Tang, 2013) makes the matte follow the picture's own edges; its
coefficients come from a reduced copy (He and Sun, 2015). Deeper inside the matte is 1, further
outside 0, so that no veil lies over the subject and no shred of it over the background.
"""

from __future__ import annotations

from collections.abc import Collection

import cv2
import numpy as np
from numpy.typing import NDArray

from beam_deeplab.deeplab.softmax import softmax
from beam_deeplab.transforms.geometry import grid_axis
from beam_deeplab.transforms.records import LogitsGrid
from beam_deeplab.transforms.rendering.strips import ceil_div, enlarged_strips

_REDUCED_SIDE = 1024
"""About how long the longer side of the reduced copy is at most."""

_SMOOTHNESS = 1e-4
"""Variance of the guide, its samples in [0, 1], from which on an edge is one."""

_SHARPENING = 2.0
"""How much steeper the filtered outline is made around one half: the filter draws it softly."""


def subject_probabilities(
    answer: LogitsGrid, subject: Collection[int], factor: int = 1
) -> NDArray[np.float32]:
    """The probability that a pixel belongs to any of some classes, interpolated from the grid.

    Args:
        answer: Finite logits, and where the picture lies on them.
        subject: Ids of classes.
        factor: Side of the squares of pixels in whose middle it is evaluated.

    Returns:
        float32 of shape [ceil(height / factor), ceil(width / factor)], in [0, 1]: with a factor of
        1, one for each pixel of the original.
    """
    at_points = softmax(answer.logits)[..., sorted(subject)].sum(axis=-1)
    rows, columns = (
        _hat_weights(grid_axis(side, content, answer.stride, points).coordinates, factor, points)
        for side, content, points in zip(
            (answer.original.height, answer.original.width),
            (answer.content_height, answer.content_width),
            at_points.shape,
            strict=True,
        )
    )
    probabilities: NDArray[np.float32] = np.clip(rows @ at_points @ columns.T, 0, 1)
    return probabilities


def _hat_weights(coordinates: NDArray[np.float64], factor: int, points: int) -> NDArray[np.float32]:
    """How much samples between grid points draw from each: float32 [samples, points]."""
    padded = np.pad(coordinates, (0, -len(coordinates) % factor), mode="edge")
    middles = padded.reshape(-1, factor).mean(axis=1)
    distance = np.abs(middles[:, None] - np.arange(points))
    weights: NDArray[np.float32] = np.maximum(0, 1 - distance).astype(np.float32)
    return weights


def soft_matte(answer: LogitsGrid, subject: Collection[int]) -> NDArray[np.uint8]:
    """The probabilities as they are, 255 for 1: uint8 of the original's shape [height, width]."""
    height, width = answer.original.height, answer.original.width
    factor = _reduction(height, width)
    reduced = subject_probabilities(answer, subject, factor)[..., None]
    matte = np.empty((height, width), np.uint8)
    for rows, strip in enlarged_strips(reduced, factor, height, width):
        matte[rows] = np.rint(strip[..., 0] * 255)
    return matte


def refined_matte(
    picture: NDArray[np.uint8], answer: LogitsGrid, subject: Collection[int]
) -> NDArray[np.uint8]:
    """The subject's share of each pixel.

    Args:
        picture: The upright original: uint8 RGB of shape [height, width, 3].
        answer: Finite logits, and where that picture lies on them.
        subject: Ids of the subject's classes.

    Returns:
        uint8 of shape [height, width]: 255 inside the subject, 0 in the background, what lies
        between only within a cell of the grid of logits around the outline.
    """
    height, width, _ = picture.shape
    factor = _reduction(height, width)
    inside = subject_probabilities(answer, subject, factor) >= 0.5
    if inside.all() or not inside.any():
        return np.full((height, width), 255 * int(inside.any()), np.uint8)
    cell = max(1.0, answer.stride * height / answer.content_height / factor)
    size = inside.shape[::-1]
    guide = cv2.resize(picture, size, interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    slopes, offsets = guided_filter(guide, inside.astype(np.float32), round(cell))
    slopes, offsets = slopes * _SHARPENING, (offsets - 0.5) * _SHARPENING + 0.5
    reduced = np.dstack([slopes / 255, offsets, _depth(inside) / np.float32(cell)])
    matte = np.empty((height, width), np.uint8)
    for rows, strip in enlarged_strips(reduced, factor, height, width):
        share = np.einsum("yxc,yxc->yx", strip[..., :3], picture[rows].astype(np.float32))
        share += strip[..., 3]
        depth = strip[..., 4]
        np.clip(share, np.clip(depth, 0, 1), np.clip(depth + 1, 0, 1), out=share)
        matte[rows] = np.rint(share * 255)
    return matte


def _reduction(height: int, width: int) -> int:
    return ceil_div(max(height, width), _REDUCED_SIDE)


def _depth(inside: NDArray[np.bool_]) -> NDArray[np.float32]:
    """How far pixels lie inside a region, in pixels; negative outside: float32 of its shape."""
    within, without = (
        cv2.distanceTransform(region.astype(np.uint8), cv2.DIST_L2, 5)
        for region in (inside, ~inside)
    )
    depth: NDArray[np.float32] = within - without
    return depth


def guided_filter(
    guide: NDArray[np.float32], values: NDArray[np.float32], radius: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The coefficients of a guided filter with a colour guide.

    Args:
        guide: float32 of shape [height, width, 3], in [0, 1].
        values: What is filtered: float32 of shape [height, width].
        radius: Of the square windows, in pixels.

    Returns:
        Slopes, float32 of shape [height, width, 3], and offsets [height, width]: the filtered
        values are ``(slopes * guide).sum(axis=2) + offsets``.
    """

    def mean(array: NDArray[np.float32]) -> NDArray[np.float32]:
        side = 2 * radius + 1
        means: NDArray[np.float32] = cv2.blur(array, (side, side), borderType=cv2.BORDER_REFLECT)
        return means

    mean_guide, mean_values = mean(guide), mean(values)
    covariance = mean(guide * values[..., None]) - mean_guide * mean_values[..., None]
    red, green, blue = (guide[..., channel] for channel in range(3))
    mean_red, mean_green, mean_blue = (mean_guide[..., channel] for channel in range(3))
    rr = mean(red * red) - mean_red * mean_red + _SMOOTHNESS
    rg = mean(red * green) - mean_red * mean_green
    rb = mean(red * blue) - mean_red * mean_blue
    gg = mean(green * green) - mean_green * mean_green + _SMOOTHNESS
    gb = mean(green * blue) - mean_green * mean_blue
    bb = mean(blue * blue) - mean_blue * mean_blue + _SMOOTHNESS
    # The inverse of the guide's covariance by its cofactors: symmetric, three by three.
    inverse = np.stack(
        [
            np.stack([gg * bb - gb * gb, rb * gb - rg * bb, rg * gb - rb * gg], axis=-1),
            np.stack([rb * gb - rg * bb, rr * bb - rb * rb, rb * rg - rr * gb], axis=-1),
            np.stack([rg * gb - rb * gg, rb * rg - rr * gb, rr * gg - rg * rg], axis=-1),
        ],
        axis=-2,
    )
    determinant = rr * inverse[..., 0, 0] + rg * inverse[..., 0, 1] + rb * inverse[..., 0, 2]
    slopes = np.einsum("yxij,yxj->yxi", inverse, covariance) / determinant[..., None]
    offsets = mean_values - np.einsum("yxi,yxi->yx", slopes, mean_guide)
    return mean(slopes), mean(offsets)
