"""What a file of the corpus is, and what a decoder must make of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from beam_deeplab.transforms.records import FailureCode

RED, GREEN, BLUE, YELLOW = (220, 30, 30), (30, 200, 40), (40, 60, 210), (230, 220, 40)
WHITE = (255, 255, 255)
LOSSY_TOLERANCE = 12
ORIENTATIONS = range(1, 9)
HUGE_SIDE = 100_000

# Exif 2.32, 4.6.4.A: which side of the upright picture the stored row 0 and column 0 are.
FIRST_ROW_AND_COLUMN = {
    1: ("top", "left"),
    2: ("top", "right"),
    3: ("bottom", "right"),
    4: ("bottom", "left"),
    5: ("left", "top"),
    6: ("right", "top"),
    7: ("right", "bottom"),
    8: ("left", "bottom"),
}
ADAM7 = (
    (0, 0, 8, 8),
    (0, 4, 8, 8),
    (4, 0, 8, 4),
    (0, 2, 4, 4),
    (2, 0, 4, 2),
    (0, 1, 2, 2),
    (1, 0, 2, 1),
)
FULL_RANGE = (0, 1, 255, 256, 257, 4095, 32767, 32768, 65279, 65280, 65534, 65535)


@dataclass(frozen=True)
class GoodFile:
    """A file that decodes.

    Attributes:
        name: File name, unique in the corpus.
        data: Content.
        expected: uint8 RGB of shape [height, width, 3]: the upright picture.
        tolerance: How far a sample may be off.
        lossy: Whether to compare in the middle of the four quadrants only.
    """

    name: str
    data: bytes
    expected: NDArray[np.uint8]
    tolerance: int = 0
    lossy: bool = False

    def assert_shown_by(self, pixels: NDArray[np.uint8]) -> None:
        """Fail unless the pixels are the expected picture."""
        assert pixels.shape == self.expected.shape, self.name
        height, width = pixels.shape[:2]
        rows, columns = (
            ([height // 4, 3 * height // 4], [width // 4, 3 * width // 4])
            if self.lossy
            else (range(height), range(width))
        )
        got = pixels[np.ix_(rows, columns)].astype(int)
        error = np.abs(got - self.expected[np.ix_(rows, columns)]).max()
        assert error <= self.tolerance, f"{self.name} is off by {error}"


@dataclass(frozen=True)
class BadFile:
    """A file from which there is no picture to be had.

    Attributes:
        name: File name, unique in the corpus.
        data: Content.
        code: What it fails with.
    """

    name: str
    data: bytes
    code: FailureCode
