"""Random views of pictures and their truth; each depends on (seed, epoch, picture) only."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from beam_deeplab.deeplab.training.config import InputConfig
from beam_deeplab.deeplab.training.samples import Sample
from beam_deeplab.deeplab.truth import IGNORED

_ORDER_STREAM, _VIEW_STREAM = 0, 1

_LUMA = np.array([0.299, 0.587, 0.114])
"""Weights of red, green and blue in grey (ITU-R BT.601)."""

_TO_YIQ = np.array([[0.299, 0.587, 0.114], [0.596, -0.274, -0.322], [0.211, -0.523, 0.312]])
_TO_RGB = np.linalg.inv(_TO_YIQ)


@dataclass(frozen=True, slots=True)
class View:
    """How one picture is looked at.

    Attributes:
        scale: Factor on its size.
        top: Where the crop begins, as a share, 0 to 1, of what there is to choose from.
        left: Likewise.
        flipped: Whether it is mirrored left to right.
        brightness: Added to the values, as a share of their range.
        contrast: Factor on the distance from middle grey.
        saturation: Factor on the distance from a pixel's own grey.
        hue: Turn of the hue, as a share of the circle.
    """

    scale: float = 1.0
    top: float = 0.0
    left: float = 0.0
    flipped: bool = False
    brightness: float = 0.0
    contrast: float = 1.0
    saturation: float = 1.0
    hue: float = 0.0


def shuffled_order(pictures: int, seed: int, epoch: int) -> NDArray[np.int64]:
    """The order of pictures in an epoch: int64 of shape [pictures]."""
    return np.random.default_rng([seed, epoch, _ORDER_STREAM]).permutation(pictures)


def draw_view(config: InputConfig, seed: int, epoch: int, picture: int) -> View:
    """The view of a picture in an epoch."""
    rng = np.random.default_rng([seed, epoch, _VIEW_STREAM, picture])
    low, high = np.log(config.scale)
    draws = rng.uniform(size=8)
    signed = 2 * draws[4:] - 1
    return View(
        scale=float(np.exp(low + (high - low) * draws[0])),
        top=float(draws[1]),
        left=float(draws[2]),
        flipped=bool(config.flip and draws[3] < 0.5),
        brightness=float(config.brightness * signed[0]),
        contrast=float(1 + config.contrast * signed[1]),
        saturation=float(1 + config.saturation * signed[2]),
        hue=float(config.hue * signed[3]),
    )


def look(
    sample: Sample, view: View, canvas: tuple[int, int]
) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """Scales, crops, mirrors, colours and pads a sample.

    The content lies at the top-left corner of the canvas (height, width), as ``segment`` puts it
    there.

    Returns:
        float32 of shape [height, width, 3] in [-1, 1], padding 0; uint8 ids [height, width], those
        of padding ignored.
    """
    image, truth = _scaled(sample, view.scale)
    rows = _crop(image.shape[0], canvas[0], view.top)
    columns = _crop(image.shape[1], canvas[1], view.left)
    image, truth = image[rows, columns], truth[rows, columns]
    if view.flipped:
        image, truth = image[:, ::-1], truth[:, ::-1]
    matrix = color_matrix(view)
    if matrix is not None:
        image = cv2.transform(np.ascontiguousarray(image), matrix)
    height, width = truth.shape
    network_input = np.zeros((*canvas, 3), np.float32)
    content = network_input[:height, :width]
    np.multiply(image, np.float32(2 / 255), out=content, dtype=np.float32)
    content -= 1
    ids = np.full(canvas, IGNORED, np.uint8)
    ids[:height, :width] = truth
    return network_input, ids


def color_matrix(view: View) -> NDArray[np.float64] | None:
    """The affine map of RGB values that a view's colour changes make together.

    Hue turns the chroma plane of YIQ; everything else is affine by itself. Values beyond 0 to 255
    are clipped once, behind all of it.

    Returns:
        float64 of shape [3, 4], the last column added; None if nothing is changed.
    """
    if (view.brightness, view.contrast, view.saturation, view.hue) == (0.0, 1.0, 1.0, 0.0):
        return None
    turn = np.eye(3)
    cosine, sine = np.cos(2 * np.pi * view.hue), np.sin(2 * np.pi * view.hue)
    turn[1:, 1:] = [[cosine, -sine], [sine, cosine]]
    saturate = view.saturation * np.eye(3) + (1 - view.saturation) * np.tile(_LUMA, (3, 1))
    linear = view.contrast * saturate @ _TO_RGB @ turn @ _TO_YIQ
    shift = 255 * view.brightness + 127.5 * (1 - view.contrast)
    return np.hstack([linear, np.full((3, 1), shift)])


def _scaled(sample: Sample, scale: float) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    height, width = sample.truth.shape
    size = max(1, round(width * scale)), max(1, round(height * scale))
    if size == (width, height):
        return sample.image, sample.truth
    smoothing = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    return (
        cv2.resize(sample.image, size, interpolation=smoothing),
        cv2.resize(sample.truth, size, interpolation=cv2.INTER_NEAREST_EXACT),
    )


def _crop(side: int, limit: int, share: float) -> slice:
    begin = round(max(side - limit, 0) * share)
    return slice(begin, min(begin + limit, side))
