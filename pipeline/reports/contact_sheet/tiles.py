"""A picture, its mask and both over one another, at a size that fits a contact sheet."""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from beam_deeplab.deeplab.labels import LabelSet
from beam_deeplab.transforms.decoding.decode import decode
from beam_deeplab.transforms.geometry import Canvas

TILE = 192
"""Long side of a tile in pixels."""

_COLOUR_SHARE = 0.6
_DIMMED = 0.45


@dataclass(frozen=True, slots=True, eq=False)
class Tiles:
    """What a sheet shows in a row: three uint8 RGB pictures of one shape [height, width, 3].

    Attributes:
        name: Of the picture's file, or whatever people know it by.
        picture: The upright picture, its long side at most :data:`TILE`.
        mask: The mask in the classes' colours.
        overlay: The picture in the classes' colours, dimmed where it is background.
        shares: Class id and share of the mask's pixels, the largest first, without background.
        score: The mask's IoU, 0 to 1; None if it is not known.
    """

    name: str
    picture: NDArray[np.uint8]
    mask: NDArray[np.uint8]
    overlay: NDArray[np.uint8]
    shares: tuple[tuple[int, float], ...]
    score: float | None


def make_tiles(
    name: str, file: bytes, mask_png: bytes, score: float | None, labels: LabelSet
) -> Tiles:
    """Decodes and reduces a picture, of any format, and its mask of class ids.

    If the first of the classes is called ``background``, it is shown dimmed and has no share.

    Raises:
        DecodingError: The picture cannot be decoded.
        OSError: The mask is no picture.
    """
    picture = decode(file, Canvas(TILE, TILE)).pixels
    with Image.open(BytesIO(mask_png)) as stored:
        ids = np.asarray(stored)
    counts = np.bincount(ids.ravel(), minlength=256)
    background = 0 if labels.names[0] == "background" else None
    shares = [
        (label, float(counts[label] / ids.size))
        for label in range(len(labels))
        if counts[label] and label != background
    ]
    height, width = picture.shape[:2]
    reduced = cv2.resize(ids, (width, height), interpolation=cv2.INTER_NEAREST_EXACT)
    colours = np.frombuffer(labels.palette_bytes(), np.uint8).reshape(256, 3)
    mask: NDArray[np.uint8] = colours[reduced]
    return Tiles(
        name,
        picture,
        mask,
        _overlaid(picture, mask, reduced == background),
        tuple(sorted(shares, key=lambda share: -share[1])),
        score,
    )


def _overlaid(
    picture: NDArray[np.uint8], mask: NDArray[np.uint8], is_background: NDArray[np.bool_]
) -> NDArray[np.uint8]:
    # Grey beneath, so that a colour on the sheet always means a class.
    grey = cv2.cvtColor(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    covered = cv2.addWeighted(mask, _COLOUR_SHARE, grey, 1 - _COLOUR_SHARE, 0)
    dimmed = cv2.convertScaleAbs(picture, alpha=_DIMMED)
    overlay: NDArray[np.uint8] = np.where(is_background[..., None], dimmed, covered)
    return overlay
