"""Masks as label maps, and which labels stand for nothing."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from beam_deeplab.deeplab.labels import LabelSet
from beam_deeplab.transforms.decoding.resizing import turn_as_stored
from beam_deeplab.transforms.exporting.interface import NamedMask


def label_map(mask: NamedMask, *, stored: bool = False) -> NDArray[np.uint8]:
    """A mask's labels.

    Args:
        mask: The image and its PNG.
        stored: Whether as the photo's file has its pixels, instead of upright.

    Returns:
        uint8 of shape [height, width].
    """
    with Image.open(io.BytesIO(mask.png)) as image:
        upright = np.asarray(image)
    return turn_as_stored(upright, mask.original.orientation) if stored else upright


def background_labels(labels: LabelSet) -> frozenset[int]:
    """The classes that stand for whatever is none of the others."""
    return frozenset(label for label, genre in enumerate(labels.genres) if genre == "background")
