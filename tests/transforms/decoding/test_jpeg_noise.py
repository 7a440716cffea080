from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from beam_deeplab.transforms.decoding import jpeg_noise
from beam_deeplab.transforms.decoding.decode import DecodingError, decode
from beam_deeplab.transforms.geometry import Canvas
from tests import corpus

CANVAS = Canvas(513, 513)
RANDOM = np.random.default_rng(5).integers(1, 250, 300).astype(np.uint8).tobytes()
RESTART = re.compile(rb"\xff[\xd0-\xd7]")


def pictures() -> dict[str, np.ndarray]:
    return {"texture": corpus.texture(200, 256), "quadrants": corpus.quadrants(160, 240)}


def jpeg(picture: np.ndarray, **options: Any) -> bytes:
    return corpus.encode(picture, "JPEG", **{"quality": 85, **options})


def is_shown(data: bytes, sound: bytes) -> bool:
    """Whether a file is decoded, and then to the pixels of a sound one."""
    try:
        pixels = decode(data, CANVAS).pixels
    except DecodingError:
        return False
    np.testing.assert_array_equal(pixels, decode(sound, CANVAS).pixels)
    return True


STRAYS = [
    bytes(1),
    bytes(2),
    bytes(12),
    bytes(258),
    RANDOM[:1],
    RANDOM[:2],
    RANDOM[:12],
    b"text " * 9,
]


@pytest.mark.parametrize("name", pictures())
@pytest.mark.parametrize(
    "options", [{}, {"subsampling": 0}, {"restart_marker_rows": 1}, {"optimize": True}]
)
def test_stray_bytes_before_the_end_or_a_restart_change_nothing(
    name: str, options: dict[str, Any]
) -> None:
    sound = jpeg(pictures()[name], **options)
    # A flat picture has few bits a block: of random bytes, some look like more of it.
    for stray in STRAYS if name == "texture" else STRAYS[:3]:
        assert is_shown(sound[:-2] + stray + sound[-2:], sound)
        for found in list(RESTART.finditer(sound))[::5]:
            assert is_shown(sound[: found.start()] + stray + sound[found.start() :], sound)


def test_stray_bytes_before_every_restart_change_nothing() -> None:
    sound = jpeg(corpus.texture(200, 256), restart_marker_rows=1)
    assert is_shown(RESTART.sub(lambda found: RANDOM[:9] + found[0], sound), sound)


@pytest.mark.parametrize("mode", ["L", "CMYK"])
def test_grey_and_cmyk_files_are_told_from_damage_too(mode: str) -> None:
    sound = corpus.encode(Image.fromarray(corpus.texture()).convert(mode), "JPEG")
    assert is_shown(sound[:-2] + RANDOM[:20] + sound[-2:], sound)


def test_stray_bytes_behind_the_scans_of_a_progressive_file_mostly_change_nothing() -> None:
    shown = 0
    for quality in range(60, 92, 4):
        sound = jpeg(corpus.texture(200, 256), progressive=True, quality=quality)
        shown += is_shown(sound[:-2] + RANDOM[:40] + sound[-2:], sound)
    assert shown >= 5  # those whose last byte ends without padding could be damaged ones


@pytest.mark.parametrize("options", [{}, {"restart_marker_rows": 1}])
def test_bytes_that_damage_leaves_over_are_damage(
    options: dict[str, Any], voc_photos: list[Path]
) -> None:
    random = np.random.default_rng(3)
    outcomes: Counter[str] = Counter()
    for photo in voc_photos[:4]:
        sound = jpeg(np.asarray(Image.open(photo).convert("RGB")), **options)
        expected = decode(sound, CANVAS).pixels
        begin = sound.index(b"\xff\xda") + 50
        for _ in range(10):
            at = int(random.integers(begin, len(sound) - 1100))
            for changed in (random.bytes(10), bytes(1000), random.bytes(3)):
                data = sound[:at] + changed + sound[at + len(changed) :]
                if _first_warning(data).find("extraneous") < 0:
                    continue
                try:
                    pixels = decode(data, CANVAS).pixels
                except DecodingError:
                    outcomes["refused"] += 1
                else:
                    outcomes["same" if np.array_equal(pixels, expected) else "wrong"] += 1
    print(outcomes)
    assert outcomes["refused"] >= 20
    assert outcomes["wrong"] <= outcomes["refused"] / 10


def _first_warning(data: bytes) -> str:
    import simplejpeg

    try:
        simplejpeg.decode_jpeg(data)
    except ValueError as error:
        return str(error)
    return ""


def test_the_trials_of_a_hostile_file_end(monkeypatch: pytest.MonkeyPatch) -> None:
    sound = jpeg(corpus.texture(200, 256), restart_marker_rows=1)
    strays = RESTART.sub(lambda found: RANDOM[:9] + found[0], sound)
    assert is_shown(strays, sound)
    monkeypatch.setattr(jpeg_noise, "_MOST_WORK", 500_000)
    assert not is_shown(strays, sound)


def test_megabytes_of_stray_bytes_are_no_picture_of_gigapixels() -> None:
    sound = jpeg(corpus.texture(200, 256))
    is_shown(sound[:-2] + bytes(20_000_000) + sound[-2:], sound)
