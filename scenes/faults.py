"""Broken image files, to see what a pipeline makes of them."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from beam_deeplab.scenes.encoding import FileKind, encode_picture

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_BOMB_SIDE = 100_000
_TEXT = b"This is a text, whatever its name says.\n"


def _truncated(image: NDArray[np.uint8]) -> bytes:
    data = encode_picture(image, FileKind(".jpg", 90))
    return data[: len(data) // 2]


def _corrupted(image: NDArray[np.uint8]) -> bytes:
    data = bytearray(encode_picture(image, FileKind(".png", 90)))
    data[len(data) // 2] ^= 0xFF
    return bytes(data)


def _bomb(_: NDArray[np.uint8]) -> bytes:
    """A PNG of a few bytes that claims 10 thousand megapixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">2I5B", _BOMB_SIDE, _BOMB_SIDE, 8, 2, 0, 0, 0)
    return b"".join(
        [
            b"\x89PNG\r\n\x1a\n",
            chunk(b"IHDR", header),
            chunk(b"IDAT", zlib.compress(bytes(1 << 16))),
            chunk(b"IEND", b""),
        ]
    )


FAULTS: Mapping[str, Callable[[NDArray[np.uint8]], bytes]] = MappingProxyType(
    {
        "truncated.jpg": _truncated,
        "empty.jpg": lambda _: b"",
        "text.jpg": lambda _: _TEXT * 40,
        "corrupted.png": _corrupted,
        "bomb.png": _bomb,
    }
)
"""What a file's name ends with when it is broken, and how a picture gets to be broken so."""


def broken_file(number: int, image: NDArray[np.uint8]) -> tuple[str, bytes]:
    """A broken file, by name and content; the name tells the fault: ``broken-00003-corrupted.png``.

    Args:
        number: Of the broken files of a collection, from 0; the faults take turns.
        image: uint8 RGB of shape [height, width, 3], the picture that it might have been.
    """
    name, spoil = list(FAULTS.items())[number % len(FAULTS)]
    return f"broken-{number:05}-{name}", spoil(image)
