"""Pipelines on photos of 12 MP, with masks of 12 MP.

Peers decode in full, reduce to the canvas, resize the logits to the canvas and to the picture
and take the argmax in TensorFlow. ``large_ratio`` is ours in float32 on the official canvas over
the best of them, ``large_ratio_int8`` ours in 8 bits with the default canvas; those that end in
``_cpu`` are of CPU time. How the contestants work is said in :mod:`benchmarks.pipelines`.
"""

from __future__ import annotations

from benchmarks.measurement import Measurement, Settings
from benchmarks.photos import MEGAPIXELS, make_photos
from benchmarks.pipelines import INT8, OFFICIAL_CANVAS, OURS, compare
from benchmarks.suite import run_alone

_PEER_PHOTOS = 48
_PEER_PHOTOS_FOR_BARS = 8


def measure(settings: Settings) -> Measurement:
    photos = make_photos(settings.shared, settings.workspace / "large", settings.photos, MEGAPIXELS)
    peer_photos = _PEER_PHOTOS_FOR_BARS if settings.bars else _PEER_PHOTOS
    ours = (OFFICIAL_CANVAS, INT8) if settings.bars else tuple(OURS)
    rows, over_peers = compare(settings, photos, peer_photos, ours)
    return Measurement(
        name="large",
        title=f"Pipelines, {settings.photos} photos of 12 MP",
        rows=rows,
        ratios={
            "large_ratio": over_peers[OFFICIAL_CANVAS],
            "large_ratio_cpu": over_peers[f"{OFFICIAL_CANVAS}, CPU"],
            "large_ratio_int8": over_peers[INT8],
            "large_ratio_int8_cpu": over_peers[f"{INT8}, CPU"],
        },
    )


if __name__ == "__main__":
    run_alone(measure)
