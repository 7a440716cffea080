"""How much of each pixel is subject: the network's probabilities, refined at the picture's edges.

The probabilities are those of the mask, with its mapping. Within a cell of their grid around the
outline a guided filter (He, Sun and Tang, 2013) makes the matte follow the picture's own edges; its
coefficients come from a reduced copy (He and Sun, 2015). Deeper inside the matte is 1, further
outside 0, so that no veil lies over the subject and no shred of it over the background.
"""

from __future__ import annotations

from collections.abc import Collection
from enum import StrEnum

import cv2
import numpy as np
from numpy.typing import NDArray

from beam_deeplab.deeplab.softmax import softmax
from beam_deeplab.transforms.geometry import grid_axis
from beam_deeplab.transforms.records import LogitsGrid
from beam_deeplab.transforms.rendering.closed_form import closed_form_alpha
from beam_deeplab.transforms.rendering.strips import ceil_div, enlarged_strips

_REDUCED_SIDE = 1024
"""About how long the longer side of the reduced copy is at most."""

_SMOOTHNESS = 1e-4
"""Variance of the guide, its samples in [0, 1], from which on an edge is one."""

_SHARPENING = 2.0
"""How much steeper the filtered outline is made around one half: the filter draws it softly."""

_SOLVED_RADIUS = 2
"""Of the filter where the outline was solved for, and only its size is to grow."""


class Matting(StrEnum):
    """By what a matte is refined."""

    GUIDED = "guided"
    CLOSED_FORM = "closed-form"


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
    picture: NDArray[np.uint8],
    answer: LogitsGrid,
    subject: Collection[int],
    matting: Matting = Matting.GUIDED,
) -> NDArray[np.uint8]:
    """The subject's share of each pixel.

    Args:
        picture: The upright original: uint8 RGB of shape [height, width, 3].
        answer: Finite logits, and where that picture lies on them.
        subject: Ids of the subject's classes.
        matting: The guided filter alone; or closed-form matting on a reduced copy, which it then
            enlarges.

    Returns:
        uint8 of shape [height, width]: 255 inside the subject, 0 in the background, what lies
        between only within a cell of the grid of logits around the outline.

    Raises:
        ValueError: Closed-form matting does not converge.
    """
    height, width, _ = picture.shape
    factor = _reduction(height, width)
    inside = subject_probabilities(answer, subject, factor) >= 0.5
    if inside.all() or not inside.any():
        return np.full((height, width), 255 * int(inside.any()), np.uint8)
    cell = max(1.0, answer.stride * height / answer.content_height / factor)
    size = inside.shape[::-1]
    guide = cv2.resize(picture, size, interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    depth_inside = _depth(inside)
    if matting is Matting.CLOSED_FORM:
        alpha = closed_form_alpha(guide, depth_inside, cell)
        slopes, offsets = guided_filter(guide, alpha, _SOLVED_RADIUS)
    else:
        slopes, offsets = guided_filter(guide, inside.astype(np.float32), round(cell))
        slopes, offsets = slopes * _SHARPENING, (offsets - 0.5) * _SHARPENING + 0.5
    reduced = np.dstack([slopes / 255, offsets, depth_inside / np.float32(cell)])
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

    colours = [np.ascontiguousarray(guide[..., channel]) for channel in range(3)]
    means = [mean(colour) for colour in colours]
    mean_values = mean(values)
    red, green, blue = (
        mean(colour * values) - own * mean_values
        for colour, own in zip(colours, means, strict=True)
    )

    def covariance(one: int, other: int) -> NDArray[np.float32]:
        return mean(colours[one] * colours[other]) - means[one] * means[other]

    rr, gg, bb = (covariance(each, each) + np.float32(_SMOOTHNESS) for each in range(3))
    rg, rb, gb = covariance(0, 1), covariance(0, 2), covariance(1, 2)
    # The inverse of the guide's covariance by its cofactors: symmetric, three by three.
    of_rr, of_rg, of_rb = gg * bb - gb * gb, rb * gb - rg * bb, rg * gb - rb * gg
    of_gg, of_gb, of_bb = rr * bb - rb * rb, rb * rg - rr * gb, rr * gg - rg * rg
    scale = 1 / (rr * of_rr + rg * of_rg + rb * of_rb)
    slopes = [
        (of_rr * red + of_rg * green + of_rb * blue) * scale,
        (of_rg * red + of_gg * green + of_gb * blue) * scale,
        (of_rb * red + of_gb * green + of_bb * blue) * scale,
    ]
    offsets = mean_values
    for slope, own in zip(slopes, means, strict=True):
        offsets = offsets - slope * own
    return np.dstack([mean(slope) for slope in slopes]), mean(offsets)
