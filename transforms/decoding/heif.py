"""HEIC and AVIF files, which phones and the web write: their primary picture.

Their boxes are read by libheif (through pi-heif: pillow-heif without its encoder, which is under
the GPL) and libavif (through Pillow), which look at no pixel before they are asked to. Both formats
say with boxes of their own how a picture is turned (irot and imir), and these alone count: the Exif
block of such a file repeats what they say. Libheif applies them itself. Sources: ISO/IEC 23008-12,
the AV1 image file format.
"""

from __future__ import annotations

import numpy as np
import pi_heif
from PIL import Image, _avif

from beam_deeplab.transforms.decoding.colours import rgb_over_white
from beam_deeplab.transforms.decoding.formats import (
    DecodeRequest,
    Header,
    ImageFormat,
    StoredPicture,
    check_size,
    unsupported,
)

_PIXEL_BYTES = 20
_MODES = ("L", "LA", "RGB", "RGBA", "RGBa")


def read_heif_header(data: bytes) -> Header:
    """Read what a HEIC claims; see :func:`transforms.decoding.codecs.read_header`."""
    width, height = _open_heif(data).size
    return Header(ImageFormat.HEIF, height, width, pixel_bytes=_PIXEL_BYTES)


def decode_heif(data: bytes, request: DecodeRequest) -> StoredPicture:
    """Decode a HEIC; see :func:`transforms.decoding.codecs.decode_stored`."""
    picture = _open_heif(data)
    return StoredPicture(_rgb(picture.mode, np.asarray(picture), request.header))


def read_avif_header(data: bytes) -> Header:
    """Read what an AVIF claims; see :func:`transforms.decoding.codecs.read_header`."""
    (width, height), *_, orientation, _ = _open_avif(data).get_info()
    return Header(ImageFormat.AVIF, height, width, orientation, pixel_bytes=_PIXEL_BYTES)


def decode_avif(data: bytes, request: DecodeRequest) -> StoredPicture:
    """Decode an AVIF; see :func:`transforms.decoding.codecs.decode_stored`."""
    header = request.header
    decoder = _open_avif(data)
    _, _, mode, *_ = decoder.get_info()
    samples = np.frombuffer(decoder.get_frame(0)[0], np.uint8)
    return StoredPicture(_rgb(mode, samples.reshape(header.height, header.width, -1), header))


def _open_heif(data: bytes) -> pi_heif.HeifImage:
    file = pi_heif.open_heif(data)
    if not len(file):
        raise unsupported(ImageFormat.HEIF, "there is no picture in it that can be decoded")
    return file[file.primary_index]


def _open_avif(data: bytes) -> _avif.AvifDecoder:
    return _avif.AvifDecoder(data, "auto", 1)


def _rgb(mode: str, samples: np.ndarray, header: Header) -> np.ndarray:
    check_size(header, *samples.shape[:2])
    if mode not in _MODES:
        raise unsupported(header.format, f"pixels of the kind {mode}")
    if mode == "RGB":
        return samples.copy()  # libheif's memory goes with its image
    return rgb_over_white(Image.frombuffer(mode, (header.width, header.height), samples))
