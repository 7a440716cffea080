"""Whether time and memory an image stay flat: 100, 400 and 1,600 photos, each in a fresh process.

The program runs with its defaults on small photos; one process a size, since a process that has
once held much may keep it. All sizes draw from the same photos in random order, so that each meets
the same mix of shapes: what a process holds grows with the canvases that it has met, until it has
met all. Memory is the peak of the whole process, libraries and networks included, every canvas
compiled before. ``memory_growth`` is the peak at 1,600 photos over that at 400, minus 1; each the
median of its repeats (one for the bars).
"""

from __future__ import annotations

import random

from benchmarks.children import Child
from benchmarks.measurement import Measurement, Row, Settings, median
from benchmarks.observed_job import JobRun, ObservedJob
from benchmarks.photos import make_photos, one_a_bucket
from benchmarks.suite import run_alone

_COUNTS = (100, 400, 1600)
_COUNTS_FOR_BARS = (400, 1600)


def measure(settings: Settings) -> Measurement:
    counts = _COUNTS_FOR_BARS if settings.bars else _COUNTS
    photos = make_photos(settings.shared, settings.workspace / "scale", counts[-1])
    random.Random(0).shuffle(photos)
    outputs = settings.workspace / "scale-output"
    outputs.mkdir()
    with Child(ObservedJob, settings.model) as child:  # fills the cache of converted networks
        child.call(ObservedJob.run, one_a_bucket(photos), outputs / "warm-up")
    runs: dict[int, list[JobRun]] = {count: [] for count in counts}
    for turn in range(1 if settings.bars else settings.repeats):
        for count in counts:
            with Child(ObservedJob, settings.model) as child:
                folder = outputs / f"{count}-{turn}"
                runs[count].append(child.call(ObservedJob.run, photos[:count], folder))
    peaks = {count: median([run.peak_bytes for run in runs[count]]) for count in counts}
    return Measurement(
        name="scale",
        title="Time and memory by number of photos, 500 px",
        rows=[_row(count, runs[count], peaks[count]) for count in counts],
        ratios={"memory_growth": peaks[1600] / peaks[400] - 1},
    )


def _row(count: int, runs: list[JobRun], peak: float) -> Row:
    return {
        "photos": count,
        "runs": len(runs),
        "ms an image": 1000 * median([run.seconds / run.images for run in runs]),
        "peak MB": peak / 1e6,
        "start-up s": median([run.start_up_seconds for run in runs]),
        "commit s": median([run.commit_seconds for run in runs]),
    }


if __name__ == "__main__":
    run_alone(measure)
