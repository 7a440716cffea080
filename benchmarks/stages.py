"""Where the time goes: milliseconds an image by stage, from the job's own metrics.

The metrics (:mod:`transforms.metrics`) are wall times of the worker thread that did it. With as
many workers as cores all share the cores, and the engine's own threads with them, so a stage's
time in the full pipeline contains waiting for a core. Therefore each size is run twice: with one
worker, where a stage's time is close to what it costs, and as by default. ``engine`` is the wall
time of the engine's calls, which use all cores; ``encode`` builds the Parquet parts, ``write``
makes them durable; ``other`` is the rest: Beam, batching, waiting.
"""

from __future__ import annotations

from beam_deeplab.deeplab.engines import available_cores
from benchmarks.children import Child
from benchmarks.efficiency import FLAGS
from benchmarks.measurement import Measurement, Row, Settings
from benchmarks.observed_job import JobRun, ObservedJob
from benchmarks.photos import MEGAPIXELS, make_photos
from benchmarks.suite import run_alone

_STAGES = ("read", "decode", "engine", "mask", "encode", "write")


def measure(settings: Settings) -> Measurement:
    rows: list[Row] = []
    for size, megapixels in (("500 px", None), ("12 MP", MEGAPIXELS)):
        folder = settings.workspace / ("large" if megapixels else "small")
        photos = make_photos(settings.shared, folder, settings.photos, megapixels)
        outputs = settings.workspace / f"stages-{folder.name}"
        outputs.mkdir()
        with Child(ObservedJob, settings.model) as child:
            child.call(ObservedJob.run, photos[:8], outputs / "warm-up", FLAGS)
            for workers in sorted({1, available_cores()}):
                flags = (*FLAGS, f"--workers={workers}")
                runs = [
                    child.call(ObservedJob.run, photos, outputs / f"{workers}-{turn}", flags)
                    for turn in range(settings.repeats)
                ]
                middle = sorted(runs, key=lambda run: run.seconds)[len(runs) // 2]
                rows.append(_row(size, workers, middle))
    return Measurement(
        name="stages",
        title="Stages in ms an image, float32, official canvas",
        rows=rows,
        notes=["Of each size and number of workers the run of the median time."],
    )


def _row(size: str, workers: int, run: JobRun) -> Row:
    each = {stage: _milliseconds(run, stage) / run.images for stage in _STAGES}
    whole = 1000 * run.seconds * workers / run.images
    return {
        "photos": size,
        "workers": workers,
        **each,
        "other": whole - sum(each.values()),
        "images/s": run.images_per_second,
    }


def _milliseconds(run: JobRun, stage: str) -> float:
    _, total = run.metrics.get(f"{stage}_microseconds", (0, 0))
    return total / 1000


if __name__ == "__main__":
    run_alone(measure)
