"""sRGB samples as linear light and back, by table."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

_STEPS = 65535


def _linear(samples: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(samples <= 0.04045, samples / 12.92, ((samples + 0.055) / 1.055) ** 2.4)


def _encoded(light: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)


_TO_LIGHT = _linear(np.arange(256) / 255).astype(np.float32)
_TO_SRGB = np.rint(_encoded(np.arange(_STEPS + 1) / _STEPS) * 255).astype(np.uint8)


def to_light(samples: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Light of sRGB samples (IEC 61966-2-1): float32 in [0, 1] of the same shape."""
    if not samples.size:  # of which OpenCV makes nothing
        return samples.astype(np.float32)
    light: NDArray[np.float32] = cv2.LUT(samples, _TO_LIGHT)
    return light.reshape(samples.shape)


def to_srgb(light: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Light as sRGB samples of the same shape; what lies outside [0, 1] is clipped.

    It takes back what :func:`to_light` gave exactly.
    """
    return _TO_SRGB[(np.clip(light, 0, 1) * np.float32(_STEPS) + np.float32(0.5)).astype(np.uint16)]
