from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beam_deeplab.deeplab.architecture.blocks import (
    mobilenet_v2_blocks,
    place_strides,
    round_channels,
    xception_modules,
)

XCEPTIONS = ("xception_41", "xception_65", "xception_71")


@pytest.mark.parametrize(
    ("multiplier", "divisor", "channels"),
    [
        (1.0, None, [32, 16, 24, 32, 64, 96, 160, 320]),
        (0.5, None, [16, 8, 12, 16, 32, 48, 80, 160]),
        (0.5, 8, [16, 8, 16, 16, 32, 48, 80, 160]),
        (1.4, 8, [48, 24, 32, 48, 88, 136, 224, 448]),
        (0.35, 8, [16, 8, 8, 16, 24, 32, 56, 112]),
    ],
)
def test_channels_of_published_multipliers(
    multiplier: float, divisor: int | None, channels: list[int]
) -> None:
    blocks = mobilenet_v2_blocks(multiplier, divisor)
    first_of_each_stage = [blocks[index] for index in (0, 1, 3, 6, 10, 13, 16)]
    assert [blocks[0].inputs, *(block.outputs for block in first_of_each_stage)] == channels


@given(st.floats(1, 2000), st.sampled_from([1, 2, 4, 8, 16]))
def test_rounded_channels_are_multiples_and_not_a_tenth_below(value: float, divisor: int) -> None:
    rounded = round_channels(value, divisor, divisor)
    assert rounded % divisor == 0
    assert rounded >= 0.9 * value
    assert rounded <= max(divisor, value + divisor)


@given(st.floats(0.05, 3), st.none() | st.sampled_from([1, 4, 8]))
def test_blocks_chain(multiplier: float, divisor: int | None) -> None:
    blocks = mobilenet_v2_blocks(multiplier, divisor)
    assert len(blocks) == 17
    channels = blocks[0].inputs
    for block in blocks:
        assert block.inputs == channels
        assert block.expanded >= block.inputs
        channels = block.outputs


@pytest.mark.parametrize("backbone", XCEPTIONS)
def test_an_xceptions_number_counts_its_convolutions(backbone: str) -> None:
    modules = xception_modules(backbone)
    assert 2 + 3 * len(modules) == int(backbone.rpartition("_")[2])


@pytest.mark.parametrize("stride", [8, 16, 32])
@pytest.mark.parametrize("backbone", ["mobilenet_v2", *XCEPTIONS])
def test_stride_times_rate_is_the_nominal_stride(backbone: str, stride: int) -> None:
    units = mobilenet_v2_blocks() if backbone == "mobilenet_v2" else xception_modules(backbone)
    sampling = nominal = 2
    for unit, placed, rate in place_strides(units, stride):
        assert sampling * rate == nominal
        sampling *= placed
        nominal *= unit.stride
    assert (sampling, nominal) == (stride, 32)


def test_a_stride_that_is_never_reached_is_refused() -> None:
    with pytest.raises(ValueError, match="end at stride 32, not 64"):
        list(place_strides(mobilenet_v2_blocks(), 64))
