"""What the benchmark of scales asks the program for."""

from __future__ import annotations

import pytest

from beam_deeplab.deeplab.engines.scales import OFFICIAL_SCALES
from beam_deeplab.pipeline.commands import build_parser
from beam_deeplab.pipeline.options import NetworkOptions
from benchmarks.scales import Variant


@pytest.mark.parametrize(
    ("variant", "work"),
    [
        (Variant(), 1),
        (Variant(flip=True), 2),
        (Variant(scales=OFFICIAL_SCALES), 8.6875),
        (Variant(8, OFFICIAL_SCALES, flip=True), 69.5),
    ],
)
def test_flags_ask_for_the_variant_and_work_counts_its_pixels(
    variant: Variant, work: float
) -> None:
    parser, _ = build_parser()
    arguments = parser.parse_args(
        ["segment", "--input", "i", "--output", "o", "--model", "m", *variant.flags]
    )
    options = NetworkOptions.from_arguments(arguments)
    assert options.output_stride == variant.output_stride
    assert options.eval_scales == variant.scales
    assert options.flip == variant.flip
    assert not options.bucketed
    assert variant.work == work
