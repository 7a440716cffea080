"""Pipelines on small photos of at most 500 x 500, which nobody has to reduce.

``small_ratio`` is ours in float32 on the official canvas over the best peer, and
``small_ratio_default`` ours in float32 with the default canvas. How the contestants work is
said in :mod:`benchmarks.pipelines`.
"""

from __future__ import annotations

from benchmarks.measurement import Measurement, Settings
from benchmarks.photos import make_photos
from benchmarks.pipelines import DEFAULT_CANVAS, OFFICIAL_CANVAS, OURS, best_peer, compare
from benchmarks.suite import run_alone

_PEER_PHOTOS_FOR_BARS = 64


def measure(settings: Settings) -> Measurement:
    photos = make_photos(settings.shared, settings.workspace / "small", settings.photos)
    peer_photos = _PEER_PHOTOS_FOR_BARS if settings.bars else settings.photos
    ours = (OFFICIAL_CANVAS, DEFAULT_CANVAS) if settings.bars else tuple(OURS)
    rows, rates = compare(settings, photos, peer_photos, ours)
    best = best_peer(rates)
    return Measurement(
        name="small",
        title=f"Pipelines, {settings.photos} photos of 500 px",
        rows=rows,
        ratios={
            "small_ratio": rates[OFFICIAL_CANVAS] / best,
            "small_ratio_default": rates[DEFAULT_CANVAS] / best,
        },
    )


if __name__ == "__main__":
    run_alone(measure)
