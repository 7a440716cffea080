"""PNG files that no library here writes: narrow and wide samples, as bytes."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

GREY, RGB, GREY_ALPHA, RGBA = 0, 2, 4, 6


def chunk(kind: bytes, data: bytes) -> bytes:
    """One chunk with its checksum."""
    checksum = zlib.crc32(kind + data)
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", checksum)


def raw_png(samples: NDArray[Any], bits: int, kind: int = GREY) -> bytes:
    """A PNG of samples [height, width] or [height, width, channels], of 1 to 16 bits each."""
    height, width = samples.shape[:2]
    flat = samples.reshape(height, -1)
    if bits == 16:
        rows = flat.astype(">u2").view(np.uint8)
    else:
        each = np.unpackbits(flat.astype(np.uint8)[..., None], axis=2)[..., -bits:]
        rows = np.packbits(each.reshape(height, -1), axis=1)
    filtered = np.pad(rows, ((0, 0), (1, 0))).tobytes()
    header = chunk(b"IHDR", struct.pack(">2I5B", width, height, bits, kind, 0, 0, 0))
    return (
        b"\x89PNG\r\n\x1a\n"
        + header
        + chunk(b"IDAT", zlib.compress(filtered))
        + chunk(b"IEND", b"")
    )


def saved(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    """What Pillow writes."""
    sink = io.BytesIO()
    image.save(sink, kind, **options)
    return sink.getvalue()


def indexed(ids: NDArray[np.uint8], palette: bytes | list[int]) -> Image.Image:
    """An indexed picture."""
    image = Image.fromarray(ids, "L")
    picture = Image.frombytes("P", image.size, ids.tobytes())
    picture.putpalette(palette)
    return picture
