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


def annotated_labels(labels: LabelSet) -> NDArray[np.bool_]:
    """Which labels are annotated as objects: all classes but the background.

    Returns:
        bool of shape [256].
    """
    genres = np.array(labels.genres)
    annotated = np.zeros(256, bool)
    annotated[: len(labels)] = genres != "background"
    return annotated
