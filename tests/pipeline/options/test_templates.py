from __future__ import annotations

import pytest

from beam_deeplab.pipeline.commands import build_parser, parse
from beam_deeplab.pipeline.options import SegmentOptions, UsageError

PATHS = ["--input=gs://b/my photos/*", "--output=gs://b/out", "--model=m"]


def _parsed(*flags: str) -> SegmentOptions:
    arguments, left_over = parse(["segment", *PATHS, *flags], *build_parser())
    assert not left_over
    return SegmentOptions.from_arguments(arguments)


def test_values_of_several_words_and_switches_come_as_templates_pass_them() -> None:
    options = _parsed("--canvas=513 385", "--eval_scales=0.5 1", "--flip=True", "--resume=true")
    assert options == _parsed(
        "--canvas", "513", "385", "--eval_scales", "0.5", "1", "--flip", "--resume"
    )
    assert options.input == ("gs://b/my photos/*",)
    assert options.network.canvas == (513, 385)


def test_a_switch_that_is_off_is_as_good_as_none() -> None:
    assert _parsed("--resume=false", "--canvas=auto", "--quiet=FALSE") == _parsed()


def test_a_switch_is_on_or_off() -> None:
    with pytest.raises(UsageError, match=r"--resume=1: give --resume=true or --resume=false"):
        _parsed("--resume=1")


def test_beam_s_flags_are_handed_on_as_they_are() -> None:
    flags = ["--runner=DataflowRunner", "--streaming=false"]
    _, left_over = parse(["segment", *PATHS, *flags], *build_parser())
    assert left_over == flags
