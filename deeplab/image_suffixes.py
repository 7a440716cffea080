"""Which file names are those of images: the one list, for inputs, truths and training."""

from __future__ import annotations

from typing import Final

IMAGE_SUFFIXES: Final = (
    ".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".apng", ".webp", ".bmp", ".dib", ".gif", ".tif",
    ".tiff", ".heic", ".heics", ".heif", ".heifs", ".hif", ".avif", ".avifs",
)  # fmt: skip
"""What the names of images end in, in lower case."""


def has_image_suffix(name: str) -> bool:
    """Whether a file's name, path or URI ends as an image's does, in any case."""
    return name.lower().endswith(IMAGE_SUFFIXES)


TRUTH_SUFFIXES: Final = (".png", ".gif", ".bmp", ".tif", ".tiff")
"""Of a folder's files those that may be ground truth: what keeps every pixel's value."""
