"""Broken files: each is refused for what it is."""

from __future__ import annotations

import pytest

from beam_deeplab.scenes.composing import compose_scene
from beam_deeplab.scenes.faults import FAULTS, broken_file
from beam_deeplab.transforms.decoding.decode import DecodingError, decode
from beam_deeplab.transforms.geometry import Canvas
from beam_deeplab.transforms.records import FailureCode

CODES = {
    "truncated.jpg": FailureCode.CORRUPT,
    "empty.jpg": FailureCode.EMPTY,
    "text.jpg": FailureCode.UNSUPPORTED_FORMAT,
    "corrupted.png": FailureCode.CORRUPT,
    "bomb.png": FailureCode.TOO_LARGE,
}


def test_every_fault_has_its_code() -> None:
    assert set(FAULTS) == set(CODES)


@pytest.mark.parametrize("number", range(20))
def test_our_decoder_refuses_a_broken_file_with_the_code_of_its_fault(number: int) -> None:
    name, data = broken_file(number, compose_scene(1, number).image)
    prefix, _, fault = name.rpartition("-")
    assert prefix == f"broken-{number:05}"
    with pytest.raises(DecodingError) as refused:
        decode(data, Canvas(513, 513))
    assert refused.value.code == CODES[fault]
    assert len(data) < 1_000_000


def test_the_faults_take_turns() -> None:
    image = compose_scene(1, 0).image
    names = [broken_file(number, image)[0].split("-", 2)[2] for number in range(10)]
    assert names == [*FAULTS, *FAULTS]
