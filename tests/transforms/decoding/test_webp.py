from __future__ import annotations

import struct

import pytest
from PIL import Image

from beam_deeplab.transforms.decoding.decode import DecodeOptions, DecodingError, decode
from beam_deeplab.transforms.geometry import Canvas
from beam_deeplab.transforms.records import FailureCode
from tests import corpus
from tests.corpus.writers import webp, webp_canvas

CANVAS = Canvas(513, 513)


def test_a_bitstream_larger_than_its_canvas_is_not_decoded() -> None:
    large = corpus.encode(Image.new("RGB", (3000, 2000)), "WEBP", lossless=True)
    with pytest.raises(DecodingError, match="disagree about its size"):
        decode(webp(webp_canvas(20, 30, 0), (b"VP8L", large[20:])), CANVAS)


def test_hundreds_of_thousands_of_chunks_are_not_walked() -> None:
    empty = struct.pack("<4sI", b"XXXX", 0) * 300_000
    data = webp(webp_canvas(20, 30, 0)) + empty
    data = data[:4] + struct.pack("<I", len(data) - 8) + data[8:]
    with pytest.raises(DecodingError, match="chunks"):
        decode(data, CANVAS)


def test_no_part_of_a_truncated_file_can_be_kept() -> None:
    data = corpus.encode(corpus.texture(), "WEBP")
    with pytest.raises(DecodingError) as caught:
        decode(data[: len(data) // 2], CANVAS, DecodeOptions(truncated="keep"))
    assert caught.value.code is FailureCode.CORRUPT
