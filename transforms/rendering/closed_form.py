"""Closed-form matting (Levin, Lischinski and Weiss, 2008) of the band around an outline.

By pymatting, an extra: it solves for the band on a reduced copy, since its matrix has 81 numbers a
pixel. The guided filter then carries the answer to the picture's size.
"""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

_SOLVED_SIDE: Final = 512
"""About how long the longer side of the copy is at most that is solved for."""

_BAND: Final = 0.6
"""How far from the outline nothing is sure, in cells of the grid of logits: at one, what is sure
around heads was too little, and they came out half transparent."""


def closed_form_alpha(
    guide: NDArray[np.float32], depth: NDArray[np.float32], cell: float
) -> NDArray[np.float32]:
    """The subject's share of each pixel.

    Args:
        guide: The picture, float32 of shape [height, width, 3], in [0, 1].
        depth: How far each pixel lies inside the subject's outline, in pixels; negative outside:
            float32 of shape [height, width].
        cell: Side of a cell of the grid of logits, in pixels.

    Returns:
        float32 of shape [height, width], in [0, 1]; exact where it is known.

    Raises:
        ValueError: The solver does not converge.
    """
    band = _BAND * cell
    trimap = np.where(depth > band, 1.0, np.where(depth < -band, 0.0, 0.5))
    if not {0.0, 1.0} <= set(np.unique(trimap)):
        return (depth > 0).astype(np.float32)  # too small for anything to be sure
    from pymatting import estimate_alpha_cf

    height, width = depth.shape
    scale = min(1.0, _SOLVED_SIDE / max(height, width))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    reduced = cv2.resize(guide, size, interpolation=cv2.INTER_AREA).astype(np.float64)
    known = cv2.resize(trimap, size, interpolation=cv2.INTER_NEAREST)
    solved = estimate_alpha_cf(reduced, known).astype(np.float32)
    alpha = cv2.resize(solved, (width, height), interpolation=cv2.INTER_LINEAR)
    alpha = np.where(trimap == 0.5, np.clip(alpha, 0, 1), trimap)
    return alpha.astype(np.float32)
