"""Label maps as indexed PNG files, in the colours of a palette.

Long runs of equal labels are all there is to compress, and zlib-ng's run-length strategy without a
row filter is both faster and smaller on them than what image libraries write.
"""

from __future__ import annotations

import struct

import numpy as np
from numpy.typing import NDArray
from zlib_ng import zlib_ng

PALETTE_BYTES = 768

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_BIT_DEPTH = 8
_INDEXED_COLOUR = 3
_GREY = 0
_NO_FILTER = 0
_HEADER_END = len(_SIGNATURE) + 25
_PALETTE_END = _HEADER_END + 12 + PALETTE_BYTES
# Rows go to the compressor with their filter bytes through a buffer that stays in the CPU's cache.
_BAND_BYTES = 1 << 18


def encode_label_map(labels: NDArray[np.uint8], palette: bytes) -> bytes:
    """Encode a label map.

    Args:
        labels: uint8 of shape [height, width], neither of them 0.
        palette: 768 bytes: red, green and blue of the labels 0 to 255.

    Returns:
        A PNG file of colour type 3 (indexed) and bit depth 8, whose pixel values are the labels.

    Raises:
        ValueError: The labels are not a uint8 picture, or the palette has another size.
    """
    if labels.dtype != np.uint8 or labels.ndim != 2 or not labels.size:
        raise ValueError(
            f"a label map is uint8 [height, width], not {labels.dtype} {list(labels.shape)}"
        )
    if len(palette) != PALETTE_BYTES:
        raise ValueError(f"a palette has {PALETTE_BYTES} bytes, not {len(palette)}")
    height, width = labels.shape
    deflate = zlib_ng.compressobj(level=1, strategy=zlib_ng.Z_RLE)
    band_height = min(height, max(1, _BAND_BYTES // (1 + width)))
    band = np.full((band_height, 1 + width), _NO_FILTER, np.uint8)
    compressed = []
    for top in range(0, height, band_height):
        rows = band[: height - top]
        rows[:, 1:] = labels[top : top + band_height]
        compressed.append(deflate.compress(rows))
    compressed.append(deflate.flush())
    return b"".join(
        [
            _SIGNATURE,
            _chunk(
                b"IHDR", struct.pack(">2I5B", width, height, _BIT_DEPTH, _INDEXED_COLOUR, 0, 0, 0)
            ),
            _chunk(b"PLTE", palette),
            _chunk(b"IDAT", b"".join(compressed)),
            _chunk(b"IEND", b""),
        ]
    )


def with_palette(png: bytes, palette: bytes | None) -> bytes:
    """A label map's PNG in other colours; its compressed pixels stay as they are.

    Args:
        png: As :func:`encode_label_map` gave it.
        palette: 768 bytes; None for a grey PNG, whose greys are the labels.

    Raises:
        ValueError: It is another kind of PNG.
    """
    header, rest = png[:_HEADER_END], png[_PALETTE_END:]
    if header[24:26] != bytes([_BIT_DEPTH, _INDEXED_COLOUR]) or rest[4:8] != b"IDAT":
        raise ValueError("it is not a label map as this package writes it")
    colour = _GREY if palette is None else _INDEXED_COLOUR
    fields = header[16:25] + bytes([colour]) + header[26:29]
    palette_chunk = b"" if palette is None else _chunk(b"PLTE", palette)
    return b"".join([_SIGNATURE, _chunk(b"IHDR", fields), palette_chunk, rest])


def _chunk(kind: bytes, data: bytes) -> bytes:
    """A PNG chunk: length, kind, data, CRC-32 of kind and data."""
    checksum = zlib_ng.crc32(data, zlib_ng.crc32(kind))
    return b"".join([struct.pack(">I", len(data)), kind, data, struct.pack(">I", checksum)])
