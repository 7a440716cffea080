"""Pipelines on photos of 12 MP, with masks of 12 MP.

Peers decode in full, reduce to the canvas, resize the logits to the canvas and to the picture
and take the argmax in TensorFlow. ``large_ratio`` is ours in float32 on the official canvas over
the best of them. How the contestants work is said in :mod:`benchmarks.pipelines`.
"""

from __future__ import annotations

from benchmarks.measurement import Measurement, Settings
from benchmarks.photos import MEGAPIXELS, make_photos
from benchmarks.pipelines import OFFICIAL_CANVAS, OURS, best_peer, compare
from benchmarks.suite import run_alone

_PEER_PHOTOS = 48
_PEER_PHOTOS_FOR_BARS = 8


def measure(settings: Settings) -> Measurement:
    photos = make_photos(settings.shared, settings.workspace / "large", settings.photos, MEGAPIXELS)
    peer_photos = _PEER_PHOTOS_FOR_BARS if settings.bars else _PEER_PHOTOS
    ours = (OFFICIAL_CANVAS,) if settings.bars else tuple(OURS)
    rows, rates = compare(settings, photos, peer_photos, ours)
    best = best_peer(rates)
    return Measurement(
        name="large",
        title=f"Pipelines, {settings.photos} photos of 12 MP",
        rows=rows,
        ratios={
            "large_ratio": rates[OFFICIAL_CANVAS] / best,
        },
    )


if __name__ == "__main__":
    run_alone(measure)
