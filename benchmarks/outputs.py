"""What every peer writes: a full-size mask as an indexed PNG, and pixels by class."""

from __future__ import annotations

import csv
import threading
from pathlib import Path
from typing import TextIO

import numpy as np
from PIL import Image

from benchmarks.official import Labels


class PeerOutput:
    """A folder of masks beside one CSV file of areas; threads may share it.

    Args:
        folder: Must not exist yet.
        palette: 768 bytes.
    """

    def __init__(self, folder: Path, palette: bytes) -> None:
        folder.mkdir(parents=True)
        self._folder = folder
        self._palette = palette
        self._lock = threading.Lock()
        self._file: TextIO = (folder / "areas.csv").open("w", newline="")
        self._areas = csv.writer(self._file)

    def write(self, photo: Path, labels: Labels) -> None:
        """Writes one mask as Pillow writes it by default, and its areas by a bincount."""
        mask = Image.fromarray(labels)
        mask.putpalette(self._palette)
        mask.save(self._folder / f"{photo.stem}.png")
        pixels = np.bincount(labels.ravel())
        present = np.flatnonzero(pixels)
        with self._lock:
            self._areas.writerows(
                (photo.name, label, pixels[label], pixels[label] / labels.size)
                for label in present.tolist()
            )

    def close(self) -> None:
        """Ends the CSV file."""
        self._file.close()
