from __future__ import annotations

import struct
import zlib

import numpy as np
import pytest

from beam_deeplab.transforms.decoding.codecs import read_header
from beam_deeplab.transforms.decoding.decode import DecodeOptions, DecodingError, decode
from beam_deeplab.transforms.geometry import Canvas
from beam_deeplab.transforms.records import FailureCode
from tests import corpus
from tests.corpus.writers import png_chunk

CANVAS = Canvas(513, 513)
KEEP = DecodeOptions(truncated="keep")


@pytest.mark.parametrize("share", [0.5, 0.99])
def test_a_truncated_file_is_kept_where_asked(share: float) -> None:
    picture = corpus.texture(400, 300)
    data = corpus.encode(picture, "PNG")
    cut = data[: int(len(data) * share)]
    with pytest.raises(DecodingError, match="cut off"):
        decode(cut, CANVAS)
    kept = decode(cut, CANVAS, KEEP)
    assert kept.original.truncated
    rows = int(400 * (share - 0.2))
    np.testing.assert_array_equal(kept.pixels[:rows], picture[:rows])


def test_a_file_without_its_last_chunk_shows_the_whole_picture() -> None:
    picture = corpus.texture()
    data = corpus.encode(picture, "PNG")
    np.testing.assert_array_equal(decode(data[:-12], CANVAS, KEEP).pixels, picture)
    assert decode(data[:-12], CANVAS, KEEP).original.truncated
    assert not decode(data, CANVAS, KEEP).original.truncated


def test_keeping_truncated_files_forgives_no_damage() -> None:
    data = bytearray(corpus.encode(corpus.texture(), "PNG"))
    data[len(data) // 2] ^= 1
    for damaged in (bytes(data), bytes(data[:-20]), bytes(data[:40])):
        with pytest.raises(DecodingError) as caught:
            decode(damaged, CANVAS, KEEP)
        assert caught.value.code is FailureCode.CORRUPT


def deep(samples: np.ndarray, colour_type: int, before: bytes = b"") -> bytes:
    rows = [row.astype(">u2").tobytes() for row in samples]
    return corpus.png(samples.shape[:2], 16, colour_type, rows, before=before)


def test_sample_bits_bring_cameras_samples_to_full_range() -> None:
    values = np.linspace(0, 4095, 512).astype(np.uint16).reshape(16, 32)
    expected = (values >> 4).astype(np.uint8)
    opaque = np.full_like(values, 65535)
    options = DecodeOptions(sample_bits=12)
    for colour_type, planes in ((0, [values]), (2, [values] * 3), (4, [values, opaque])):
        shown = decode(deep(np.dstack(planes), colour_type), CANVAS, options).pixels
        np.testing.assert_array_equal(shown, np.repeat(expected[..., None], 3, axis=2))
    brighter = decode(deep(values[..., None] + 4096, 0), CANVAS, options).pixels
    assert (brighter == 255).all()
    clear = decode(deep(np.dstack([values] * 3 + [opaque * 0]), 6), CANVAS, options).pixels
    assert (clear == 255).all()
    key = png_chunk(b"tRNS", struct.pack(">HHH", *[int(values[0, 5])] * 3))
    hidden = decode(deep(np.dstack([values] * 3), 2, key), CANVAS, options).pixels
    assert (hidden[0, 5] == 255).all()
    np.testing.assert_array_equal(hidden[1:, :, 0], expected[1:])


def test_sample_bits_leave_files_of_8_bits_alone() -> None:
    picture = corpus.texture()
    data = corpus.encode(picture, "PNG")
    shown = decode(data, CANVAS, DecodeOptions(sample_bits=12)).pixels
    np.testing.assert_array_equal(shown, picture)


def test_text_that_unpacks_to_gigabytes_is_read_once_and_as_far_as_a_megabyte() -> None:
    bomb = zlib.compress(b"\nexif\n   9\n" + b"41" * (1 << 24))
    chunk = png_chunk(b"zTXt", b"Raw profile type exif\0\0" + bomb)
    rows = [row.tobytes() for row in corpus.quadrants()]
    data = corpus.png((32, 64), 8, 2, rows, before=chunk * 200)
    assert read_header(data).orientation == 1


def test_hundreds_of_thousands_of_chunks_are_not_walked() -> None:
    data = corpus.encode(corpus.quadrants(), "PNG")
    with pytest.raises(DecodingError, match="chunks"):
        decode(data[:33] + png_chunk(b"tEXt", b"") * 300_000 + data[33:], CANVAS)
