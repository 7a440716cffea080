"""Which pixels of a label map lie close to the contour of their region, for the boundary IoU.

Source: Cheng et al., Boundary IoU: Improving Object-Centric Image Segmentation Evaluation (2021),
and ``mask_to_boundary`` of its reference implementation.
"""

from __future__ import annotations

import math
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

DILATION_RATIO: Final = 0.02
"""Width of the band over the picture's diagonal, as in the paper."""


def band_width(height: int, width: int) -> int:
    """Pixels that a band is wide: 2 % of the diagonal, rounded, at least 1."""
    return max(1, round(DILATION_RATIO * math.hypot(height, width)))


def boundary_band(labels: NDArray[np.uint8], distance: int) -> NDArray[np.bool_]:
    """The pixels near the contour of the region that they belong to.

    A pixel is one if a pixel of another label, or a place outside the picture, is at most
    ``distance`` rows and at most ``distance`` columns away. For each label alone these are the
    pixels that ``distance`` erosions of its mask by a 3 x 3 square take away, the picture padded
    with zeros, as in the paper's implementation; but it takes one pass for all labels, whatever
    the distance.

    Args:
        labels: uint8 of shape [height, width].
        distance: Width of the band in pixels, at least 1.

    Returns:
        bool of the same shape.
    """
    # Where a neighbour differs the contour runs; any path of king's moves to another label crosses
    # it one move before, so what is at most distance - 1 moves from the contour is the band.
    square = np.ones((3, 3), np.uint8)
    contour = (cv2.dilate(labels, square) != cv2.erode(labels, square)).view(np.uint8)
    side = 2 * distance - 1
    counts = cv2.boxFilter(
        contour, cv2.CV_32S, (side, side), normalize=False, borderType=cv2.BORDER_CONSTANT
    )
    band: NDArray[np.bool_] = counts > 0
    for edge in (np.s_[:distance], np.s_[-distance:]):
        band[edge] = True
        band[:, edge] = True
    return band
