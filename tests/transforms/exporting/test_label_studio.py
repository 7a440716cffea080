"""Brush run lengths against the published way of reading them."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from beam_deeplab.transforms.exporting.label_studio import encode_brush


def decode_brush(rle: list[int]) -> NDArray[np.uint8]:
    """``decode_rle`` of label-studio-sdk, with an iterator for its stream of bits."""
    bits = "".join(f"{byte:08b}" for byte in rle)
    place = 0

    def read(size: int) -> int:
        nonlocal place
        place += size
        return int(bits[place - size : place], 2)

    words = np.zeros(read(32), np.uint8)
    word_size = read(5) + 1
    sizes = [read(4) + 1 for _ in range(4)]
    position = 0
    while position < len(words):
        is_run = read(1)
        end = position + 1 + read(sizes[read(2)])
        if is_run:
            words[position:end] = read(word_size)
            position = end
        while position < end:
            words[position] = read(word_size)
            position += 1
    return words


def _assert_read_back(region: NDArray[np.bool_]) -> None:
    words = decode_brush(encode_brush(region).tolist())
    np.testing.assert_array_equal(words.reshape(*region.shape, 4)[..., 3] > 0, region)
    assert set(words.tolist()) <= {0, 255}


@given(arrays(np.bool_, st.tuples(st.integers(1, 20), st.integers(1, 20))))
def test_regions_are_read_back(region: NDArray[np.bool_]) -> None:
    _assert_read_back(region)


def test_runs_longer_than_a_length_holds() -> None:
    region = np.zeros((300, 400), np.bool_)
    region[100:250] = True
    for pixels in (16384, 16385, 32768):
        _assert_read_back(np.ones((1, pixels), np.bool_))
    _assert_read_back(region)
