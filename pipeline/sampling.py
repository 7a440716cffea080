"""A few images taken all the way to their masks, and what a whole run may cost by them."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

from beam_deeplab.deeplab.engines import available_cores, has_gpu
from beam_deeplab.pipeline.workers import Machines
from beam_deeplab.transforms.decoding.decode import decode_image
from beam_deeplab.transforms.records import (
    DecodedImage,
    EncodedImage,
    Failure,
    ImageRef,
    LogitsGrid,
    Segmentation,
)
from beam_deeplab.transforms.segmenting.composites import mask_image
from beam_deeplab.transforms.segmenting.handler import Recipe
from beam_deeplab.transforms.segmenting.inference import BatchInference
from beam_deeplab.transforms.sources.reading import read_images

SAMPLES: Final = 8
"""Images that are read, inferred and masked."""

INFER_SECONDS: Final = 30.0
"""Once this much was inferred, no further batch is begun: large networks are slow on a CPU."""


@dataclass
class Cost:
    """Time that a stage has taken over all its images.

    Attributes:
        images: How many those were.
        wall: Seconds.
        cpu: Seconds of CPU, over all threads of the process.
    """

    images: int = 0
    wall: float = 0.0
    cpu: float = 0.0

    @contextmanager
    def measured(self, images: int) -> Iterator[None]:
        """Adds what the block takes for so many images."""
        wall, cpu = time.perf_counter(), time.process_time()
        yield
        self.images += images
        self.wall += time.perf_counter() - wall
        self.cpu += time.process_time() - cpu

    def each(self) -> Cost:
        """The cost of one image."""
        return Cost(1, self.wall / self.images, self.cpu / self.images) if self.images else Cost()


@dataclass
class Sample:
    """What a few images have shown.

    Attributes:
        images: How many were taken.
        decoded: How many of them are pictures.
        failures: How many came to nothing, by code.
        read_and_decode: Cost over all of them.
        infer: Cost over the pictures that the network has seen.
        mask: Cost of label map, areas and PNG.
        masks: How many came to a mask.
        mask_bytes: Size of the PNGs.
    """

    images: int
    decoded: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    read_and_decode: Cost = field(default_factory=Cost)
    infer: Cost = field(default_factory=Cost)
    mask: Cost = field(default_factory=Cost)
    masks: int = 0
    mask_bytes: int = 0

    @property
    def success(self) -> float:
        """The share of images that come to a mask; pictures not inferred count as the others."""
        return self.decoded / self.images * self.masks / self.infer.images

    def bytes_for(self, images: int) -> int:
        """Bytes of masks to be expected of so many images."""
        return round(images * self.success * self.mask_bytes / self.masks)

    def seconds_for(self, images: int, machines: Machines) -> float:
        """Time to be expected for so many images.

        A core of each machine is taken for one of this one, and a GPU for the one here. On
        machines with a GPU that was not measured here, the network takes no time of the cores,
        and the result is the least that the rest takes. Threads of one machine share its cores,
        and the device of the network too.
        """
        network = Cost() if machines.gpu and not has_gpu() else self.infer.each()
        stages = (self.read_and_decode.each(), network, self.mask.each())
        shares = (1.0, self.success, self.success)
        wall = sum(share * stage.wall for share, stage in zip(shares, stages, strict=True))
        cpu = sum(share * stage.cpu for share, stage in zip(shares, stages, strict=True))
        device = self.success * network.wall
        if not machines.gpu:
            device *= available_cores() / machines.cores
        each = max(wall / machines.threads, cpu / machines.cores, device)
        return images * each / machines.count


def spread(refs: Sequence[ImageRef], count: int) -> list[ImageRef]:
    """At most so many images, evenly spread over all."""
    count = min(count, len(refs))
    return [refs[(2 * index + 1) * len(refs) // (2 * count)] for index in range(count)]


def measure(
    refs: Sequence[ImageRef], recipe: Recipe, model: BatchInference, batch_size: int
) -> Sample:
    """Takes images all the way to their masks; the first of each stage goes twice, to warm up.

    A failure is counted and takes part no further.

    Raises:
        CredentialsError: Nobody is signed in.
    """
    sample = Sample(len(refs))
    pictures = list(_read_and_decode(sample, refs, recipe))
    grids = list(_infer(sample, pictures, model, batch_size))
    for grid in grids[:1]:
        mask_image(grid, recipe)
    for grid in grids:
        with sample.mask.measured(1):
            row = mask_image(grid, recipe)
        if isinstance(row, Segmentation):
            sample.masks += 1
            sample.mask_bytes += len(row.mask_png)
        else:
            sample.failures[row.code] += 1
    return sample


def _read_and_decode(
    sample: Sample, refs: Sequence[ImageRef], recipe: Recipe
) -> Iterator[DecodedImage]:
    with sample.read_and_decode.measured(len(refs)):
        encoded = list(read_images(refs))
    for row in encoded:
        if isinstance(row, EncodedImage):
            decode_image(row, recipe.canvas, recipe.decoding)
            break
    for row in encoded:
        if isinstance(row, EncodedImage):
            with sample.read_and_decode.measured(0):
                outcome = decode_image(row, recipe.canvas, recipe.decoding)
        else:
            outcome = row
        if isinstance(outcome, Failure):
            sample.failures[outcome.code] += 1
        else:
            sample.decoded += 1
            yield outcome


def _infer(
    sample: Sample, pictures: Sequence[DecodedImage], model: BatchInference, batch_size: int
) -> Iterator[LogitsGrid]:
    if pictures:
        model(pictures[:batch_size])
    for start in range(0, len(pictures), batch_size):
        batch = pictures[start : start + batch_size]
        with sample.infer.measured(len(batch)):
            rows = model(batch)
        for row in rows:
            if isinstance(row, LogitsGrid):
                yield row
            elif isinstance(row, Failure):
                sample.failures[row.code] += 1
        if sample.infer.wall >= INFER_SECONDS:
            return
