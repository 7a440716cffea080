from __future__ import annotations

import struct
from typing import Any

import numpy as np
import pytest
from PIL import Image

from beam_deeplab.transforms.decoding.decode import DecodeOptions, DecodingError, decode
from beam_deeplab.transforms.decoding.jpeg_structure import count_scans, read_structure
from beam_deeplab.transforms.geometry import Canvas
from beam_deeplab.transforms.records import FailureCode
from tests import corpus

CANVAS = Canvas(513, 513)
PICTURE = corpus.texture()
KEEP = DecodeOptions(truncated="keep")


def jpeg(**options: Any) -> bytes:
    return corpus.encode(PICTURE, "JPEG", **{"quality": 90, **options})


def places_of_segments(data: bytes) -> list[int]:
    return [segment.begin for segment in read_structure(data).segments]


@pytest.mark.parametrize(
    "stray", [b"\0", b"\0\0", b"\0" * 64, b"\x11\x22\x33", b"\xff\0\xff\0", b"\xff\xff"]
)
@pytest.mark.parametrize("progressive", [False, True])
def test_bytes_between_segments_are_skipped(stray: bytes, progressive: bool) -> None:
    data = jpeg(progressive=progressive)
    expected = decode(data, CANVAS).pixels
    places = places_of_segments(data)
    assert len(places) > 4
    for place in places:
        strayed = data[:place] + stray + data[place:]
        np.testing.assert_array_equal(decode(strayed, CANVAS).pixels, expected)
    everywhere = data
    for place in reversed(places):
        everywhere = everywhere[:place] + stray + everywhere[place:]
    np.testing.assert_array_equal(decode(everywhere, CANVAS).pixels, expected)


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("share", [0.5, 0.9, 0.99])
def test_a_truncated_file_is_kept_where_asked(share: float, progressive: bool) -> None:
    data = jpeg(progressive=progressive)
    whole = decode(data, CANVAS)
    assert not whole.original.truncated
    cut = data[: int(len(data) * share)]
    with pytest.raises(DecodingError, match="cut off") as caught:
        decode(cut, CANVAS)
    assert caught.value.code is FailureCode.CORRUPT
    kept = decode(cut, CANVAS, KEEP)
    assert kept.original.truncated
    assert kept.pixels.shape == PICTURE.shape
    if not progressive:
        rows = int(len(PICTURE) * (share - 0.3))
        np.testing.assert_array_equal(kept.pixels[:rows], whole.pixels[:rows])


@pytest.mark.parametrize("end", [b"", b"\xff", bytes(5000), b"\xff\xd9"])
def test_a_file_without_its_end_marker_shows_the_whole_picture(end: bytes) -> None:
    data = jpeg()
    kept = decode(data[:-2] + end, CANVAS, KEEP)
    np.testing.assert_array_equal(kept.pixels, decode(data, CANVAS).pixels)
    assert kept.original.truncated == (end != b"\xff\xd9")


def test_a_file_cut_anywhere_is_kept_or_corrupt() -> None:
    data = jpeg(progressive=True)
    outcomes: set[bool | FailureCode] = set()
    for length in range(2, len(data), 7):
        try:
            outcomes.add(decode(data[:length], CANVAS, KEEP).original.truncated)
        except DecodingError as error:
            outcomes.add(error.code)
    assert outcomes == {True, FailureCode.CORRUPT}


def test_damage_is_none_that_keeping_truncated_files_forgives() -> None:
    data = jpeg()
    middle = len(data) // 2
    for damaged in (
        data[:middle] + data[middle + 500 :],
        data[:middle] + bytes(500) + data[middle + 500 :],
    ):
        with pytest.raises(DecodingError) as caught:
            decode(damaged, CANVAS, KEEP)
        assert caught.value.code is FailureCode.CORRUPT


def many_scans(side: int, scans: int, comment: bytes = b"") -> bytes:
    data = corpus.encode(Image.new("L", (side, side), 128), "JPEG", progressive=True)
    last = data.rindex(b"\xff\xda")
    hidden = b"\xff\xfe" + struct.pack(">H", len(comment) + 2) + comment if comment else b""
    return data[:2] + hidden + data[2:last] + data[last:-2] * scans + data[-2:]


@pytest.mark.parametrize("comment", [b"", b"\xff\xda\xff\xd9", b"\xff\xda" * 20 + b"\xff\xd9" * 20])
def test_scans_are_counted_whatever_comments_and_thumbnails_hold(comment: bytes) -> None:
    data = many_scans(64, 30, comment)
    assert count_scans(data, read_structure(data)) == data.count(b"\xff\xda") - comment.count(
        b"\xff\xda"
    )
    with pytest.raises(DecodingError, match=r"60\d scans") as caught:
        decode(many_scans(64, 600, comment), CANVAS)
    assert caught.value.code is FailureCode.CORRUPT


def test_of_large_pictures_fewer_scans_are_decoded() -> None:
    data = bytearray(many_scans(64, 40))
    place = data.index(b"\xff\xc2") + 5
    data[place : place + 4] = struct.pack(">HH", 15_000, 15_000)
    with pytest.raises(DecodingError, match="15000 x 15000 pixels take too long"):
        decode(bytes(data), CANVAS)


def test_hundreds_of_thousands_of_segments_are_not_walked() -> None:
    data = jpeg()
    with pytest.raises(DecodingError, match="segments"):
        decode(data[:2] + b"\xff\xfe\0\2" * 300_000 + data[2:], CANVAS)
