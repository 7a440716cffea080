"""Small pictures of coloured shapes with their truth, which a small network learns in seconds."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

CLASSES = ("ground", "disc", "box")
_COLORS = ((90, 110, 90), (220, 60, 40), (40, 80, 220))


def draw_shapes(
    number: int, height: int = 48, width: int = 64
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """A noisy picture, uint8 RGB [height, width, 3], and its ids, with a frame that is ignored."""
    rng = np.random.default_rng(number)
    truth = np.zeros((height, width), np.uint8)
    y, x = int(rng.integers(10, height - 10)), int(rng.integers(10, width // 2))
    cv2.circle(truth, (x, y), int(rng.integers(6, 10)), 1, -1)
    y, x = int(rng.integers(2, height - 20)), int(rng.integers(width // 2, width - 20))
    cv2.rectangle(truth, (x, y), (x + 14, y + 14), 2, -1)
    image = np.array(_COLORS, np.float64)[truth] + rng.normal(0, 12, (height, width, 3))
    truth[:, :2] = 255
    return np.clip(np.rint(image), 0, 255).astype(np.uint8), truth


def write_shapes(folder: Path, count: int, first: int = 0) -> Path:
    """Writes pairs below ``images/`` and ``truth/``; returns the folder."""
    for name in ("images", "truth"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    for number in range(first, first + count):
        image, truth = draw_shapes(number)
        Image.fromarray(image).save(folder / "images" / f"{number:03}.png")
        Image.fromarray(truth).save(folder / "truth" / f"{number:03}.png")
    return folder
