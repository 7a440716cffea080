from __future__ import annotations

import numpy as np
import pytest
from PIL import BmpImagePlugin

from beam_deeplab.transforms.decoding.decode import DecodeOptions, DecodingError, decode
from beam_deeplab.transforms.geometry import Canvas
from beam_deeplab.transforms.records import FailureCode
from tests import corpus
from tests.corpus.writers import bmp, quadrant_indices

CANVAS = Canvas(513, 513)
RUNS, PAIRS_OF_RUNS = 1, 2


def runs_of(index: np.ndarray) -> bytes:
    lines = (bytes((32, row[0], 32, row[32], 0, 0)) for row in index[::-1])
    return b"".join(lines) + b"\0\1"


def test_run_lengths_are_undone_without_pillows_python(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object) -> None:
        raise AssertionError("decoded in Python, with every other thread waiting")

    monkeypatch.setattr(BmpImagePlugin.BmpRleDecoder, "decode", refuse)
    index = quadrant_indices(32, 64)
    data = bmp(index, runs_of(index), height=32, compression=RUNS)
    np.testing.assert_array_equal(decode(data, CANVAS).pixels, corpus.quadrants())
    for compression in (RUNS, PAIRS_OF_RUNS):
        bomb = bmp(np.zeros((1, 15_000), np.uint8), bytes(2000), height=15_000)
        bomb = bomb[:30] + compression.to_bytes(4, "little") + bomb[34:]
        with pytest.raises(DecodingError) as caught:
            decode(bomb, CANVAS)
        assert caught.value.code is FailureCode.CORRUPT


def test_a_truncated_file_is_kept_where_asked() -> None:
    picture = corpus.texture(400, 300)
    cut = corpus.encode(picture, "BMP")[: 400 * 300 * 2]
    with pytest.raises(DecodingError):
        decode(cut, CANVAS)
    kept = decode(cut, CANVAS, DecodeOptions(truncated="keep"))
    assert kept.original.truncated
    np.testing.assert_array_equal(kept.pixels[-200:], picture[-200:])  # it begins at the bottom
