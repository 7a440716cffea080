"""How files are to be decoded, where there is a choice."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

DEFAULT_MAX_PIXELS = 250_000_000
"""Pixels that a header may claim: those of cameras with 200 megapixels pass."""

Truncated = Literal["refuse", "keep"]


@dataclass(frozen=True, slots=True)
class DecodeOptions:
    """What decides, besides a file's bytes and the canvas, which pixels come out.

    Attributes:
        max_pixels: Pictures that claim more pixels are refused before they are decoded.
        truncated: Whether a picture whose file is cut short is refused as CORRUPT, or kept as far
            as it goes; what is missing is then grey or black, and the picture says so.
        sample_bits: Significant bits of a sample where a file stores 16: fewer for cameras and
            microscopes that write 10, 12 or 14 bits into the lower end. Larger samples are white.

    Raises:
        ValueError: One is out of range.
    """

    max_pixels: int = DEFAULT_MAX_PIXELS
    truncated: Truncated = "refuse"
    sample_bits: int = 16

    def __post_init__(self) -> None:
        if self.max_pixels < 1:
            raise ValueError(f"max_pixels is at least 1, not {self.max_pixels}")
        if self.truncated not in ("refuse", "keep"):
            raise ValueError(f"truncated is 'refuse' or 'keep', not {self.truncated!r}")
        if not 8 <= self.sample_bits <= 16:
            raise ValueError(f"sample_bits is 8 to 16, not {self.sample_bits}")
