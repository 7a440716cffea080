"""How much of the bare engine's rate is left once it sits in the pipeline, and what idles.

One child process holds one engine object. In turns the pipeline runs over the photos (float32,
official canvas, start-up excluded as :mod:`benchmarks.observed_job` says), and the very same
engine is called bare on the very same pictures, in the same batches of 8, assembled beforehand,
by one thread and by as many threads as the pipeline has workers; the faster of both counts. For
the bars it gets the first 96 of them.
``efficiency`` is the pipeline's rate over the bare one. Both use all cores; so what the
pipeline loses is the CPU time of reading, decoding, masks and Parquet, and any idling.

``idle_share`` is the share of the cores that our process left unused between its first and its
last finished shard, the worst of both photo sizes. It counts this process's own CPU time: what
others take of the machine would appear as idle, never the other way round. CPU time an image,
of the pipeline and of the bare engine, says what the pipeline adds even where others run:
``own_cpu_ms`` at 500 px, ``own_cpu_ms_large`` at 12 MP.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from beam_deeplab.deeplab.engines import Engine, available_cores
from benchmarks.children import Child
from benchmarks.engine import PROGRAM_BATCH
from benchmarks.measurement import Measurement, Row, Settings, median, spread
from benchmarks.observed_job import JobRun, ObservedJob
from benchmarks.official import CANVAS
from benchmarks.photos import MEGAPIXELS, make_photos
from benchmarks.suite import run_alone

FLAGS = ("--canvas", "official", "--precision", "f32")

_BARE_PHOTOS_FOR_BARS = 96


@dataclass(frozen=True)
class BareRun:
    """The engine without the pipeline.

    Attributes:
        images_per_second: Its rate.
        cpu_seconds: CPU time of an image, all threads.
    """

    images_per_second: float
    cpu_seconds: float


class JobAndEngine(ObservedJob):
    """The program, and its engine bare."""

    def assemble(self, photos: Sequence[Path]) -> None:
        """Decodes photos into the batches that :meth:`run_bare` takes."""
        from beam_deeplab.transforms.decoding.decode import decode_image
        from beam_deeplab.transforms.geometry import Canvas
        from beam_deeplab.transforms.records import DecodedImage, EncodedImage, ImageRef
        from beam_deeplab.transforms.segmenting.inference import assemble_batch

        canvas = Canvas(CANVAS, CANVAS)
        pictures = [
            decode_image(EncodedImage(ImageRef(photo.name), photo.read_bytes()), canvas)
            for photo in photos
        ]
        decoded = [picture for picture in pictures if isinstance(picture, DecodedImage)]
        self._batches: list[NDArray[np.float32]] = [
            assemble_batch(decoded[first : first + PROGRAM_BATCH], canvas)
            for first in range(0, len(decoded), PROGRAM_BATCH)
        ]

    def run_bare(self, threads: int) -> BareRun:
        """Runs all batches on the engine that the pipeline has used, called by some threads."""
        (engine,) = self.engines.values()
        shares = [self._batches[first::threads] for first in range(threads)]
        workers = [threading.Thread(target=_call, args=(engine, share)) for share in shares]
        wall, cpu = time.perf_counter(), time.process_time()
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        images = sum(map(len, self._batches))
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        return BareRun(images / wall, cpu / images)


def measure(settings: Settings) -> Measurement:
    sizes = {"500 px": None, "12 MP": MEGAPIXELS}
    rows: list[Row] = []
    idle: dict[str, float] = {}
    ratios: dict[str, float | None] = {}
    for size, megapixels in sizes.items():
        folder = settings.workspace / ("large" if megapixels else "small")
        photos = make_photos(settings.shared, folder, settings.photos, megapixels)
        runs, bare = _measure_size(settings, photos)
        rate = median([run.images_per_second for run in runs])
        bare_rates = {
            callers: median([each.images_per_second for each in own])
            for callers, own in bare.items()
        }
        fastest = max(bare_rates.values())
        bare_cpu = min(each.cpu_seconds for own in bare.values() for each in own)
        cpu_ms = 1000 * median([run.cpu_seconds / run.images for run in runs])
        own_cpu_ms = cpu_ms - 1000 * bare_cpu
        ratios["own_cpu_ms_large" if megapixels else "own_cpu_ms"] = own_cpu_ms
        idle[size] = median([run.idle_share for run in runs])
        rows.append(
            {
                "photos": size,
                "pipeline images/s": rate,
                "spread": spread([run.images_per_second for run in runs]),
                **{f"bare, {callers} callers": own for callers, own in bare_rates.items()},
                "efficiency": rate / fastest,
                "CPU ms": cpu_ms,
                "bare CPU ms": 1000 * bare_cpu,
                "own CPU ms": own_cpu_ms,
                "idle": idle[size],
                "machine idle": median([run.machine_idle_share for run in runs]),
                "start-up s": median([run.start_up_seconds for run in runs]),
                "commit s": median([run.commit_seconds for run in runs]),
            }
        )
        if megapixels is None:
            ratios["efficiency"] = rate / fastest
    ratios["idle_share"] = max(idle.values())
    return Measurement(
        name="efficiency",
        title="The pipeline beside its bare engine, float32, official canvas",
        rows=rows,
        ratios=ratios,
        notes=["Start-up is Beam's graph and the listing: the engine is loaded already."],
    )


def _measure_size(
    settings: Settings, photos: list[Path]
) -> tuple[list[JobRun], dict[int, list[BareRun]]]:
    bare: dict[int, list[BareRun]] = {1: [], available_cores(): []}
    runs: list[JobRun] = []
    with Child(JobAndEngine, settings.model) as child:
        outputs = settings.workspace / f"efficiency-{photos[0].parent.name}"
        outputs.mkdir()
        child.call(JobAndEngine.run, photos[:8], outputs / "warm-up", FLAGS)
        bare_photos = photos[:_BARE_PHOTOS_FOR_BARS] if settings.bars else photos
        child.call(JobAndEngine.assemble, bare_photos)
        for turn in range(settings.repeats):
            runs.append(child.call(JobAndEngine.run, photos, outputs / str(turn), FLAGS))
            for callers, own in bare.items():
                own.append(child.call(JobAndEngine.run_bare, callers))
    return runs, bare


def _call(engine: Engine, batches: Sequence[NDArray[np.float32]]) -> None:
    for batch in batches:
        engine(batch)


if __name__ == "__main__":
    run_alone(measure)
