"""Number formats of variables, and their values as float32."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class NumberFormat:
    """How one number is stored.

    Attributes:
        stored: NumPy's type of the stored bits.
        is_bfloat16: Whether they are the upper half of a float32.
    """

    stored: np.dtype[np.generic]
    is_bfloat16: bool = False

    def to_float32(self, bits: NDArray[np.generic]) -> NDArray[np.float32]:
        """Values of stored bits, of the same shape."""
        if self.is_bfloat16:
            return (bits.astype(np.uint32) << np.uint32(16)).view(np.float32)
        return np.asarray(bits, np.float32)


FLOATS: Mapping[int, NumberFormat] = MappingProxyType(
    {
        1: NumberFormat(np.dtype("<f4")),
        2: NumberFormat(np.dtype("<f8")),
        14: NumberFormat(np.dtype("<u2"), is_bfloat16=True),
        19: NumberFormat(np.dtype("<f2")),
    }
)
"""Formats of floating-point numbers by TensorFlow's ``DataType``."""
