"""All benchmarks one after the other, or with ``--bars`` those that the ratios on top need."""

from __future__ import annotations

import sys

from benchmarks import (
    canvases,
    efficiency,
    engine,
    gpu,
    gs_reading,
    large,
    masks,
    metadata,
    rendering,
    run_lengths,
    scale,
    scales,
    small,
    stages,
    startup,
)
from benchmarks.suite import run_all

_FOR_BARS = (startup, engine, masks, small, efficiency, scale, large)
_FURTHER = (stages, canvases, scales, gs_reading, gpu, metadata, run_lengths, rendering)


def main() -> None:
    modules = _FOR_BARS if "--bars" in sys.argv else (*_FOR_BARS, *_FURTHER)
    run_all([module.measure for module in modules], "The benchmark suite.")


if __name__ == "__main__":
    main()
