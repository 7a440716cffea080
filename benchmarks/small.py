"""Pipelines on small photos of at most 500 x 500, which nobody has to reduce.

``small_ratio`` is ours in float32 on the official canvas over the best peer, and
``small_ratio_default`` ours in float32 with the default canvas. How the contestants work is
said in :mod:`benchmarks.pipelines`.
"""

from __future__ import annotations

from benchmarks.measurement import Measurement, Settings
from benchmarks.photos import make_photos
from benchmarks.pipelines import best_peer, compare
from benchmarks.suite import run_alone

_PEER_PHOTOS_FOR_BARS = 96


def measure(settings: Settings) -> Measurement:
    photos = make_photos(settings.shared, settings.workspace / "small", settings.photos)
    peer_photos = _PEER_PHOTOS_FOR_BARS if settings.bars else settings.photos
    rows, rates = compare(settings, photos, peer_photos)
    best = best_peer(rates)
    return Measurement(
        name="small",
        title=f"Pipelines, {settings.photos} photos of 500 px",
        rows=rows,
        ratios={
            "small_ratio": rates["ours, f32, official canvas"] / best,
            "small_ratio_default": rates["ours, f32, default canvas"] / best,
        },
    )


if __name__ == "__main__":
    run_alone(measure)
