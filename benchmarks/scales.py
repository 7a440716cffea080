"""What output stride, scales and mirror images cost and bring: speed, labels and mIoU.

Each variant segments the 22 photos, whose ground truth is known, and then, in turns, photos for its
rate: fewer the more it costs, but no fewer than 22. ``cost`` is the plain run's rate over the
variant's; ``CPU cost`` the same of CPU time, which tells it where others use the machine too.
``equal labels`` is the share of pixels with the label that the official way gives to the
same variant (:mod:`benchmarks.official_scales`), over all photos and of the worst one. All are on
the official canvas. mIoU as in :mod:`benchmarks.canvases`.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from beam_deeplab.deeplab.engines.scales import OFFICIAL_SCALES, PLAIN
from beam_deeplab.deeplab.models import inspect_model
from benchmarks.canvases import masks_of, mean_iou
from benchmarks.children import Child
from benchmarks.engine import pixels_of
from benchmarks.measurement import Measurement, Row, Settings, median
from benchmarks.observed_job import JobRun, ObservedJob
from benchmarks.official import Labels
from benchmarks.official_scales import OfficialScales
from benchmarks.photos import make_photos, truth_mask, voc_photos
from benchmarks.suite import run_alone


@dataclass(frozen=True)
class Variant:
    """One way to ask the network.

    Attributes:
        output_stride: Of the backbone.
        scales: Factors on the canvas's sides.
        flip: Whether mirror images are asked about too.
    """

    output_stride: int = 16
    scales: tuple[float, ...] = PLAIN
    flip: bool = False

    @property
    def flags(self) -> list[str]:
        """Of ``beam-deeplab segment``."""
        return [
            *("--canvas", "official", "--output_stride", str(self.output_stride)),
            *("--eval_scales", *(f"{scale:g}" for scale in self.scales)),
            *(["--flip"] if self.flip else []),
        ]

    @property
    def name(self) -> str:
        """For tables and folders."""
        # No dots: what follows the last one would count as a suffix.
        scales = "-".join(f"{scale:g}".replace(".", "_") for scale in self.scales)
        return f"{self.output_stride}-{scales}{'-flip' if self.flip else ''}"

    @property
    def work(self) -> float:
        """Pixels that the network sees, times its density, as a multiple of the plain run's."""
        pixels = sum(scale**2 for scale in self.scales) * (1 + self.flip)
        return pixels * (16 / self.output_stride) ** 2


_PLAIN = Variant()
_VARIANTS = (
    _PLAIN,
    Variant(flip=True),
    Variant(scales=OFFICIAL_SCALES),
    Variant(scales=OFFICIAL_SCALES, flip=True),
    Variant(8),
    Variant(8, OFFICIAL_SCALES, flip=True),
)


class OfficialLabels:
    """The official way's labels, in a process that ends when it has given them.

    Args:
        model: The checkpoint.
    """

    def __init__(self, model: Path) -> None:
        self._model = inspect_model(str(model))
        self._at_stride: dict[int, OfficialScales] = {}

    def of(self, photos: list[Path], variant: Variant) -> list[Labels]:
        """Labels of photos that fit the canvas."""
        stride = variant.output_stride
        if stride not in self._at_stride:
            self._at_stride[stride] = OfficialScales(self._model, stride)
        network = self._at_stride[stride]
        return [
            network.labels(pixels_of(photo), variant.scales, flip=variant.flip) for photo in photos
        ]


def measure(settings: Settings) -> Measurement:
    voc = voc_photos(settings.shared)
    photos = make_photos(settings.shared, settings.workspace / "small", settings.photos)
    truth = [np.asarray(Image.open(truth_mask(settings.shared, photo))) for photo in voc]
    outputs = settings.workspace / "scales"
    outputs.mkdir()
    with Child(OfficialLabels, settings.model) as official:
        expected = {each: official.call(OfficialLabels.of, voc, each) for each in _VARIANTS}
    answers: dict[Variant, list[Labels]] = {}
    runs: dict[Variant, list[JobRun]] = {variant: [] for variant in _VARIANTS}
    peaks: dict[Variant, int] = {}
    with ExitStack() as stack:
        children = {
            variant: stack.enter_context(Child(ObservedJob, settings.model))
            for variant in _VARIANTS
        }
        for variant, child in children.items():
            folder = outputs / variant.name
            run = child.call(ObservedJob.run, voc, folder, variant.flags)
            answers[variant], peaks[variant] = masks_of(folder, voc), run.peak_bytes
        for turn in range(settings.repeats):
            for variant, child in children.items():
                some = photos[: max(len(voc), round(len(photos) / variant.work))]
                folder = outputs / f"{variant.name}-{turn}"
                run = child.call(ObservedJob.run, some, folder, variant.flags)
                runs[variant].append(run)
    rates = {each: median([run.images_per_second for run in own]) for each, own in runs.items()}
    cpu = {
        each: median([run.cpu_seconds / run.images for run in own]) for each, own in runs.items()
    }
    rows: list[Row] = []
    for variant, masks in answers.items():
        equal = [own == theirs for own, theirs in zip(masks, expected[variant], strict=True)]
        rows.append(
            {
                "output stride": variant.output_stride,
                "scales": " ".join(f"{scale:g}" for scale in variant.scales),
                "flip": variant.flip,
                "images/s": rates[variant],
                "cost": rates[_PLAIN] / rates[variant],
                "CPU cost": cpu[variant] / cpu[_PLAIN],
                "equal labels": sum(int(each.sum()) for each in equal)
                / sum(each.size for each in equal),
                "worst photo": float(min(each.mean() for each in equal)),
                "mIoU": mean_iou(masks, truth),
                "official mIoU": mean_iou(expected[variant], truth),
                "peak MB": round(peaks[variant] / 1e6),
            }
        )
    return Measurement(
        name="scales",
        title="Output stride, scales and mirror images: speed, labels as officially, mIoU",
        rows=rows,
    )


if __name__ == "__main__":
    run_alone(measure)
