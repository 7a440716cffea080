"""Reads the masks of a committed run as arrays of class ids, beside their upright pictures.

python examples/read_masks.py OUTPUT
"""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator

import numpy as np
import pyarrow.dataset as ds
from numpy.typing import NDArray
from PIL import Image, ImageOps


def read_masks(output: str) -> Iterator[tuple[str, NDArray[np.uint8]]]:
    """Each image's URI, and its mask, (height, width), uint8 ids; a few at a time."""
    masks = ds.dataset(f"{output}/masks", format="parquet")
    for batch in masks.to_batches(columns=["image_uri", "mask"], batch_size=64):
        for row in batch.to_pylist():
            yield row["image_uri"], np.asarray(Image.open(io.BytesIO(row["mask"]["bytes"])))


def main(output: str) -> None:
    """Prints each picture's size, and the ids in its mask."""
    for uri, mask in read_masks(output):
        picture = np.asarray(ImageOps.exif_transpose(Image.open(uri)).convert("RGB"))
        assert picture.shape[:2] == mask.shape
        print(uri, mask.shape, np.unique(mask).tolist())


if __name__ == "__main__":
    main(*sys.argv[1:])
