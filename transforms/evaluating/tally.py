"""What is counted over pixels: the confusion matrix and the bands of the boundary IoU.

All are integers that add up, so that any grouping of any number of pictures gives the same sums.
Source of the bands, pixels close to the contour of their region: Cheng et al., Boundary IoU:
Improving Object-Centric Image Segmentation Evaluation (2021), and ``mask_to_boundary`` of its
reference implementation.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from beam_deeplab.deeplab.truth.formats import IGNORED

DILATION_RATIO: Final = 0.02
"""Width of the band over the picture's diagonal, as in the paper."""

_COUNTED_AT_ONCE: Final = 1 << 23
"""Pixels whose histogram OpenCV's float32 holds exactly."""


@dataclass(frozen=True, slots=True, eq=False)
class Tally:
    """Pixel counts over any number of pictures.

    Attributes:
        confusion: int64 of shape [classes, classes]: pixels by true class (rows) and predicted
            class (columns); ignored pixels are in none.
        true_band: int64 of shape [classes]: pixels of each true class in its band.
        predicted_band: int64 of shape [classes]: the same for the predicted classes.
        common_band: int64 of shape [classes]: pixels of a class in both, in the bands of both.
        images: How many pictures were counted.
        ignored: Pixels that have a true class, and no predicted one; they are in none of the above.
    """

    confusion: NDArray[np.int64]
    true_band: NDArray[np.int64]
    predicted_band: NDArray[np.int64]
    common_band: NDArray[np.int64]
    images: int = 0
    ignored: int = 0

    @classmethod
    def empty(cls, classes: int) -> Tally:
        """The tally of no picture."""
        none = np.zeros(classes, np.int64)
        return cls(np.zeros((classes, classes), np.int64), none, none, none)

    @property
    def classes(self) -> int:
        """How many classes are told apart."""
        return len(self.confusion)

    def __add__(self, other: Tally) -> Tally:
        """The tally of the pictures of both; exact, and the same in any order."""
        return Tally(
            self.confusion + other.confusion,
            self.true_band + other.true_band,
            self.predicted_band + other.predicted_band,
            self.common_band + other.common_band,
            self.images + other.images,
            self.ignored + other.ignored,
        )

    def __eq__(self, other: object) -> bool:
        """Whether all counts are equal."""
        return (
            isinstance(other, Tally)
            and (self.images, self.ignored) == (other.images, other.ignored)
            and np.array_equal(self.confusion, other.confusion)
            and np.array_equal(self.true_band, other.true_band)
            and np.array_equal(self.predicted_band, other.predicted_band)
            and np.array_equal(self.common_band, other.common_band)
        )

    __hash__ = None  # type: ignore[assignment]  # arrays do not hash


def tally_pixels(truth: NDArray[np.uint8], predicted: NDArray[np.uint8], classes: int) -> Tally:
    """Count one picture.

    Args:
        truth: uint8 of shape [height, width]: class ids, and 255 for pixels that are ignored.
        predicted: uint8 of the same shape: class ids, and 255 for pixels that have none.
        classes: How many there are, 1 to 255.

    Returns:
        The counts. Pixels that the truth ignores, or that have no predicted class, are taken out of
        both maps first: there neither has a class, and for the bands a contour runs around them in
        both. So what is said there counts nowhere, and a prediction equal to the truth elsewhere
        is perfect.

    Raises:
        ValueError: The shapes differ, or a value is out of range.
    """
    if truth.shape != predicted.shape:
        raise ValueError(f"a truth of {truth.shape} for a prediction of {predicted.shape}")
    true, visible = truth, predicted
    left_out = (truth == IGNORED) | (predicted == IGNORED)
    if left_out.any():
        true, visible = (np.where(left_out, np.uint8(IGNORED), each) for each in (truth, predicted))
    is_equal = true == visible
    distance = band_width(*truth.shape)
    true_band = boundary_band(true, distance)
    predicted_band = boundary_band(visible, distance)
    table = _confusion(true, visible, is_equal)
    confusion = table[:classes, :classes].copy()
    if confusion.sum() + table[IGNORED, IGNORED] != truth.size:
        raise ValueError(f"a label is none of {classes} classes")
    return Tally(
        confusion=confusion,
        true_band=_label_counts(true, true_band)[:classes],
        predicted_band=_label_counts(visible, predicted_band)[:classes],
        common_band=_label_counts(true, true_band & predicted_band & is_equal)[:classes],
        images=1,
        ignored=int((left_out & (truth != IGNORED)).sum()),
    )


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


def _confusion(
    truth: NDArray[np.uint8], visible: NDArray[np.uint8], is_equal: NDArray[np.bool_]
) -> NDArray[np.int64]:
    """Pixels by both labels: int64 of shape [256, 256]."""
    differs = ~is_equal
    pairs = truth[differs].astype(np.uint16) << 8 | visible[differs]
    table = np.bincount(pairs, minlength=1 << 16).reshape(256, 256)
    np.fill_diagonal(table, _label_counts(truth, is_equal))
    return table


def _label_counts(labels: NDArray[np.uint8], where: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Pixels by label in part of a map: int64 of shape [256]."""
    counts = np.zeros(256, np.int64)
    rows = max(1, _COUNTED_AT_ONCE // labels.shape[1])
    for top in range(0, len(labels), rows):
        band = slice(top, top + rows)
        mask = where[band].view(np.uint8)
        histogram = cv2.calcHist([labels[band]], [0], mask, [256], [0, 256])
        counts += histogram.ravel().astype(np.int64)
    return counts
