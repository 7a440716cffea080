from __future__ import annotations

import io
import struct

import numpy as np
import pillow_heif
import pytest
from PIL import Image

from beam_deeplab.transforms.decoding.codecs import read_header
from beam_deeplab.transforms.decoding.decode import DecodeOptions, DecodingError, decode
from beam_deeplab.transforms.decoding.formats import ImageFormat
from beam_deeplab.transforms.geometry import Canvas
from beam_deeplab.transforms.records import FailureCode
from tests import corpus

CANVAS = Canvas(513, 513)
PICTURE = corpus.texture(120, 200)
FILES = {
    ImageFormat.HEIF: corpus.heic(PICTURE),
    ImageFormat.AVIF: corpus.encode(PICTURE, "AVIF", quality=95, subsampling="4:4:4"),
}


@pytest.mark.parametrize("kind", FILES)
def test_what_phones_write_is_read(kind: ImageFormat) -> None:
    data = FILES[kind]
    assert read_header(data).format is kind
    picture = decode(data, CANVAS)
    assert (picture.original.height, picture.original.width) == (120, 200)
    assert np.abs(picture.pixels.astype(int) - PICTURE).mean() < 3


def test_the_pixels_of_a_large_heic_outlive_its_decoder() -> None:
    # Large blocks of memory are given back at once: what still looks at them crashes.
    picture = corpus.texture(600, 800)
    shown = decode(corpus.heic(picture, quality=80), Canvas(600, 800)).pixels
    assert np.abs(shown.astype(int) - picture).mean() < 6


@pytest.mark.parametrize("kind", FILES)
def test_the_size_is_known_and_refused_before_any_pixel_is_decoded(kind: ImageFormat) -> None:
    with pytest.raises(DecodingError, match="claims 200 x 120 pixels") as caught:
        decode(FILES[kind], CANVAS, DecodeOptions(max_pixels=23_999))
    assert caught.value.code is FailureCode.TOO_LARGE


def test_a_heic_that_holds_more_than_it_claims_is_refused() -> None:
    data = FILES[ImageFormat.HEIF]
    (claim,) = (place for place in range(len(data)) if data[place : place + 4] == b"ispe")
    data = data[: claim + 8] + struct.pack(">II", 40, 30) + data[claim + 16 :]
    with pytest.raises(DecodingError) as caught:
        decode(data, CANVAS)
    assert caught.value.code is FailureCode.CORRUPT


def test_pictures_of_10_bits_come_out_in_8() -> None:
    deep = (PICTURE.astype("<u2") * 257).tobytes()
    buffer = io.BytesIO()
    pillow_heif.from_bytes("RGB;16", (200, 120), deep).save(buffer, quality=95, chroma=444)
    shown = decode(buffer.getvalue(), CANVAS).pixels
    assert np.abs(shown.astype(int) - PICTURE).mean() < 3


def test_of_several_pictures_the_primary_one_is_shown() -> None:
    file = pillow_heif.from_pillow(Image.fromarray(np.ascontiguousarray(PICTURE[:, ::-1])))
    file.add_from_pillow(Image.fromarray(PICTURE))
    buffer = io.BytesIO()
    file.save(buffer, quality=95, chroma=444, primary_index=1)
    shown = decode(buffer.getvalue(), CANVAS).pixels
    assert np.abs(shown.astype(int) - PICTURE).mean() < 3


@pytest.mark.parametrize("kind", FILES)
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_a_truncated_file_is_corrupt(kind: ImageFormat, share: float) -> None:
    for options in (DecodeOptions(), DecodeOptions(truncated="keep")):
        with pytest.raises(DecodingError) as caught:
            decode(FILES[kind][: int(len(FILES[kind]) * share)], CANVAS, options)
        assert caught.value.code is FailureCode.CORRUPT
