"""Committed runs of label maps that a test knows, for what is made of a run's masks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from beam_deeplab.deeplab.labels import LabelSet
from beam_deeplab.transforms.masks.png import encode_label_map
from beam_deeplab.transforms.records import (
    ClassArea,
    Failure,
    ImageRef,
    Original,
    Part,
    Segmentation,
)
from beam_deeplab.transforms.runs.manifest import Manifest
from beam_deeplab.transforms.runs.sharding import Sharding, slots_of
from beam_deeplab.transforms.runs.writing import write_shard
from tests.plans import commit_run, plan_shards
from tests.rows import RUN, failure

Labels = NDArray[np.uint8]
ROOT = "/photos"


def write_run(
    output: Path,
    images: Mapping[str, Labels],
    labels: LabelSet,
    *,
    orientations: Mapping[str, int] | None = None,
    failed: Iterable[str] = (),
    shard_size: int = 5,
    root: str = ROOT,
    version: str = "1",
) -> Manifest:
    """Writes a run, by the steps that do so for a job, of images by their path below ``ROOT``.

    Args:
        output: Of the run.
        images: Their label maps, upright.
        labels: The run's classes.
        orientations: As stored, of those where it is not 1.
        failed: Paths of images that have no mask.
        shard_size: Images of a shard.
        root: The folder of the images, instead of ``ROOT``.
        version: Of all images; empty for that of the files as they are.
    """
    failed = {f"{root}/{path}" for path in failed}
    refs = [ImageRef(uri, version) for uri in [*(f"{root}/{path}" for path in images), *failed]]
    model = {**RUN.model, "labels": labels.to_dict()}
    run = replace(RUN, model=model, images_root=root)
    (output / "run.json").parent.mkdir(parents=True, exist_ok=True)
    (output / "run.json").write_bytes(run.to_json())
    plan = plan_shards(refs, (), run.fingerprint, Sharding(shard_size))
    parts: list[Part] = []
    for shard in plan.shards:
        rows: list[Segmentation | Failure] = []
        for ref, slot in slots_of(shard):
            if ref.uri in failed:
                rows.append(failure(ref, slot))
                continue
            path = ref.uri.removeprefix(f"{root}/")
            pixels = images[path]
            areas = tuple(
                ClassArea(label, labels.names[label], int(count), count / pixels.size, 0.5)
                for label, count in enumerate(np.bincount(pixels.ravel(), minlength=256))
                if count and label < len(labels)
            )
            png = encode_label_map(pixels, labels.palette_bytes())
            height, width = pixels.shape
            original = Original(height, width, (orientations or {}).get(path, 1))
            rows.append(Segmentation(ref, png, areas, original, slot))
        parts += write_shard(str(output), shard.id, rows, run.part_metadata(), root)
    return commit_run(str(output), run, plan.summary(), parts)


def random_label_map(height: int, width: int, classes: int, seed: int = 0) -> Labels:
    """uint8 of shape [height, width]: rectangles, single pixels, and 255 here and there."""
    rng = np.random.default_rng(seed)
    pixels = np.zeros((height, width), np.uint8)
    for _ in range(12):
        top, left = rng.integers(0, height), rng.integers(0, width)
        down, right = rng.integers(1, 1 + height // 2), rng.integers(1, 1 + width // 2)
        pixels[top : top + down, left : left + right] = rng.choice([*range(classes), 255])
    return pixels
