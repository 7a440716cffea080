from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from beam_deeplab.transforms.decoding.decode import DecodeOptions, DecodingError, decode
from beam_deeplab.transforms.geometry import Canvas
from beam_deeplab.transforms.records import FailureCode
from tests import corpus
from tests.corpus.writers import gif

CANVAS = Canvas(513, 513)
SCREEN = gif((32, 64), (0, 0, 32, 64))[:13]
FRAME = gif((32, 64), (0, 0, 32, 64))[13:]


def test_what_lies_between_blocks_is_skipped() -> None:
    expected = decode(SCREEN + FRAME, CANVAS).pixels
    palette_end = len(SCREEN) + (3 << (SCREEN[10] & 7) + 1)
    data = SCREEN + FRAME
    strayed = data[:palette_end] + b"x" * 3_000_000 + data[palette_end:]
    np.testing.assert_array_equal(decode(strayed, CANVAS).pixels, expected)


def test_hundreds_of_thousands_of_blocks_are_not_walked() -> None:
    data = SCREEN + FRAME
    palette_end = len(SCREEN) + (3 << (SCREEN[10] & 7) + 1)
    comment = b"!\xfe" + b"\1x" * 300_000 + b"\0"
    with pytest.raises(DecodingError, match="blocks") as caught:
        decode(data[:palette_end] + comment + data[palette_end:], CANVAS)
    assert caught.value.code is FailureCode.CORRUPT


def test_a_truncated_file_is_kept_where_asked() -> None:
    indexed = Image.fromarray(corpus.texture(400, 300)).quantize(64)
    data = corpus.encode(indexed, "GIF", interlace=0)
    cut = data[: len(data) // 2]
    with pytest.raises(DecodingError):
        decode(cut, CANVAS)
    kept = decode(cut, CANVAS, DecodeOptions(truncated="keep"))
    assert kept.original.truncated
    np.testing.assert_array_equal(kept.pixels[:100], np.asarray(indexed.convert("RGB"))[:100])
