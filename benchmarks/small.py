"""Pipelines on small photos of at most 500 x 500, which nobody has to reduce.

``small_ratio`` is ours in float32 on the official canvas over the best peer,
``small_ratio_default`` ours in float32 with the default canvas, and ``small_ratio_int8`` the same
in 8 bits; those that end in ``_cpu`` are of CPU time. How the contestants work is said in
:mod:`benchmarks.pipelines`.
"""

from __future__ import annotations

from benchmarks.measurement import Measurement, Settings
from benchmarks.photos import make_photos
from benchmarks.pipelines import DEFAULT_CANVAS, INT8, OFFICIAL_CANVAS, OURS, compare
from benchmarks.suite import run_alone

_PEER_PHOTOS_FOR_BARS = 64


def measure(settings: Settings) -> Measurement:
    photos = make_photos(settings.shared, settings.workspace / "small", settings.photos)
    peer_photos = _PEER_PHOTOS_FOR_BARS if settings.bars else settings.photos
    ours = (OFFICIAL_CANVAS, DEFAULT_CANVAS, INT8) if settings.bars else tuple(OURS)
    rows, over_peers = compare(settings, photos, peer_photos, ours)
    return Measurement(
        name="small",
        title=f"Pipelines, {settings.photos} photos of 500 px",
        rows=rows,
        ratios={
            "small_ratio": over_peers[OFFICIAL_CANVAS],
            "small_ratio_cpu": over_peers[f"{OFFICIAL_CANVAS}, CPU"],
            "small_ratio_default": over_peers[DEFAULT_CANVAS],
            "small_ratio_int8": over_peers[INT8],
            "small_ratio_int8_cpu": over_peers[f"{INT8}, CPU"],
        },
    )


if __name__ == "__main__":
    run_alone(measure)
