from __future__ import annotations

import argparse
from typing import Any

import pytest

from beam_deeplab.pipeline.options.network import NetworkOptions, add_network_flags
from beam_deeplab.transforms.decoding.options import DEFAULT_MAX_PIXELS, DecodeOptions


@pytest.mark.parametrize(
    "wrong", [{"max_pixels": 0}, {"truncated": "yes"}, {"sample_bits": 7}, {"sample_bits": 17}]
)
def test_options_out_of_range_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        DecodeOptions(**wrong)


def parsed(*flags: str) -> DecodeOptions:
    parser = argparse.ArgumentParser()
    add_network_flags(parser)
    return NetworkOptions.from_arguments(parser.parse_args(["--model", "m", *flags])).decoding


def test_flags_are_the_options() -> None:
    assert parsed() == DecodeOptions(DEFAULT_MAX_PIXELS, "refuse", 16)
    flags = ("--max_pixels=9", "--truncated=keep", "--sample_bits=12")
    assert parsed(*flags) == DecodeOptions(9, "keep", 12)
    for wrong in ("--sample_bits=8", "--truncated=maybe", "--max_pixels=0"):
        with pytest.raises(SystemExit):
            parsed(wrong)
