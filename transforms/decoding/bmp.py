"""BMP files.

Source: the BITMAPINFOHEADER family of headers. Run lengths are left to OpenCV, since Pillow undoes
them in Python: two thousand bytes would keep every thread waiting for half a minute.
"""

from __future__ import annotations

import struct
from io import BytesIO

import cv2
import numpy as np
from PIL.BmpImagePlugin import BmpImageFile

from beam_deeplab.transforms.decoding.colours import rgb_over_white
from beam_deeplab.transforms.decoding.formats import (
    DecodeRequest,
    Header,
    ImageFormat,
    StoredPicture,
    check_size,
    corrupt,
    load_picture,
)

_CORE_HEADER_SIZE = 12
_RUN_LENGTHS = (1, 2)


def read_header(data: bytes) -> Header:
    """Read what a BMP claims; see :func:`transforms.decoding.codecs.read_header`."""
    (header_size,) = struct.unpack_from("<I", data, 14)
    sides = "<HH" if header_size == _CORE_HEADER_SIZE else "<ii"
    width, height = struct.unpack_from(sides, data, 18)
    return Header(ImageFormat.BMP, abs(height), width, pixel_bytes=8)


def decode(data: bytes, request: DecodeRequest) -> StoredPicture:
    """Decode a BMP; see :func:`transforms.decoding.codecs.decode_stored`."""
    if _has_run_lengths(data):
        bgr = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
        if bgr is None:
            raise corrupt(ImageFormat.BMP, "its run lengths cannot be decoded")
        check_size(request.header, *bgr.shape[:2])
        return StoredPicture(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB, dst=bgr))
    image, truncated = load_picture(
        BmpImageFile(BytesIO(data)), request.header, keep=request.keeps_truncated
    )
    return StoredPicture(rgb_over_white(image), truncated=truncated)


def _has_run_lengths(data: bytes) -> bool:
    (header_size,) = struct.unpack_from("<I", data, 14)
    if header_size == _CORE_HEADER_SIZE:
        return False
    (compression,) = struct.unpack_from("<I", data, 30)
    return compression in _RUN_LENGTHS
