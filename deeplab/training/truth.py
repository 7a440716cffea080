"""Truth masks: class ids from indexed and grey PNGs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError


class TruthError(ValueError):
    """A mask that cannot be read as class ids; the message says why, in a few words."""


def read_truth(path: Path) -> NDArray[np.uint8]:
    """Reads the class id of each pixel.

    Args:
        path: A PNG of one channel: indexed (its indices are the ids, its colours only decorate)
            or 8-bit grey.

    Returns:
        uint8 of shape [height, width].

    Raises:
        TruthError: It is not such a PNG, or damaged.
    """
    try:
        with Image.open(path, formats=("PNG",)) as image:
            if image.mode not in ("P", "L"):
                raise TruthError(
                    f"a mask is an indexed or 8-bit grey PNG whose pixels are class ids, "
                    f"not {image.mode}"
                )
            return np.array(image, np.uint8)
    except UnidentifiedImageError as error:
        raise TruthError("is not a PNG") from error
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise TruthError(f"cannot be read: {error}") from error


def wrong_ids(truth: NDArray[np.uint8], classes: int, ignore_label: int) -> list[int]:
    """The ids of a mask that are neither a class nor the ignore label, ascending."""
    present = np.flatnonzero(np.bincount(truth.ravel(), minlength=256))
    return [int(i) for i in present if i >= classes and i != ignore_label]


def reduce_truth(truth: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    """Samples a mask at the pixel centres of its reduced picture, the nearest id each.

    Args:
        truth: Ids [rows, columns].
        height: Of the reduced picture, at most ``rows``.
        width: Likewise.

    Returns:
        Ids [height, width].
    """
    rows = (2 * np.arange(height) + 1) * truth.shape[0] // (2 * height)
    columns = (2 * np.arange(width) + 1) * truth.shape[1] // (2 * width)
    return np.ascontiguousarray(truth[rows[:, None], columns])
