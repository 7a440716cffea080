"""Small committed runs made of label maps that a test knows: photos, masks, tables and all."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray
from PIL import Image

from beam_deeplab.deeplab.labels import LabelSet
from beam_deeplab.deeplab.truth import IGNORED, TruthRule
from beam_deeplab.transforms.evaluating.committing import begin_evaluation, commit_evaluation
from beam_deeplab.transforms.evaluating.composites import scored_rows
from beam_deeplab.transforms.evaluating.pairing import pair_by_name
from beam_deeplab.transforms.evaluating.scoring import ImageScore
from beam_deeplab.transforms.evaluating.tally import tally_pixels
from beam_deeplab.transforms.masks.png import encode_label_map
from beam_deeplab.transforms.parquet.parts import parquet_bytes
from beam_deeplab.transforms.parquet.schemas import FAILURES, MASKS
from beam_deeplab.transforms.records import (
    ClassArea,
    Failure,
    FailureCode,
    ImageRef,
    Original,
    Part,
    Segmentation,
    Stage,
)
from beam_deeplab.transforms.runs.manifest import Manifest
from beam_deeplab.transforms.runs.part_list import part_rows
from beam_deeplab.transforms.runs.sharding import Sharding, slots_of
from beam_deeplab.transforms.runs.tables import TABLES
from beam_deeplab.transforms.runs.writing import write_shard
from beam_deeplab.transforms.storage import versions
from tests.plans import commit_run, plan_shards
from tests.rows import RUN

LABELS = LabelSet(
    "five",
    ("background", "dog", "cat", "car", "tree"),
    ((0, 0, 0), (200, 80, 40), (40, 80, 200), (230, 200, 60), (40, 160, 90)),
)


@dataclass(frozen=True)
class Labelled:
    """An image's label map, and what the network thought of each class in it."""

    labels: NDArray[np.uint8]
    confidence: tuple[float, ...]
    scale: float = 1.0

    def fractions(self) -> NDArray[np.float64]:
        """float64 of shape [classes]."""
        known = self.labels[self.labels < len(self.confidence)]
        return np.bincount(known, minlength=len(self.confidence)) / self.labels.size


def random_images(count: int, seed: int = 0, known: int = len(LABELS)) -> dict[str, Labelled]:
    """Images by name, no two of one size; the last of the known classes is in none of them."""
    rng = np.random.default_rng(seed)
    images = {}
    for index in range(count):
        shape = (20 + index, 400 - index)
        labels = np.zeros(shape, np.uint8)
        for _ in range(rng.integers(0, 4)):
            top, left = rng.integers(0, shape[0]), rng.integers(0, shape[1])
            labels[top : top + 15, left : left + 150] = rng.integers(0, known - 1)
        confidence = tuple(rng.uniform(0.3, 1, known).tolist())
        images[f"{index:03}.png"] = Labelled(labels, confidence, float(rng.choice([1, 0.6, 0.02])))
    return images


def write_photos(folder: Path, images: Mapping[str, Labelled]) -> None:
    """A photo for each image, of its size."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, image in images.items():
        shade = np.full((*image.labels.shape, 3), (180, 170, 160), np.uint8)
        Image.fromarray(shade).save(folder / name)


def write_run(
    output: Path | str,
    photos: Path | str,
    images: Mapping[str, Labelled],
    failed: Mapping[str, FailureCode] | None = None,
    labels: LabelSet = LABELS,
) -> Manifest:
    """Writes a run of these images, and of some that failed, by the steps that do so for a job."""
    failed = failed or {}
    uris = [f"{photos}/{name}" for name in (*images, *failed)]
    stored = versions(uris) if uris else []
    refs = [ImageRef(uri, each.version) for uri, each in zip(uris, stored, strict=True)]
    options = {**RUN.options, "labels": labels.to_dict()}
    model = {**RUN.model, "labels": labels.to_dict()}
    run = replace(RUN, options=options, model=model, images_root=str(photos))
    plan = plan_shards(refs, (), run.fingerprint, Sharding(7))
    parts: list[Part] = []
    for shard in plan.shards:
        rows: list[Segmentation | Failure] = []
        for ref, slot in slots_of(shard):
            name = ref.uri.rpartition("/")[2]
            if name in failed:
                rows.append(Failure(ref, Stage.DECODE, failed[name], "it is broken", slot))
                continue
            image = images[name]
            areas = tuple(
                ClassArea(
                    label,
                    labels.names[label],
                    int(np.sum(image.labels == label)),
                    float(fraction),
                    image.confidence[label],
                )
                for label, fraction in enumerate(image.fractions())
                if fraction
            )
            png = encode_label_map(image.labels, labels.palette_bytes())
            height, width = image.labels.shape
            original = Original(height, width, scale=image.scale)
            rows.append(Segmentation(ref, png, areas, original, slot=slot))
        parts += write_shard(str(output), shard.id, rows, run.part_metadata())
    return commit_run(str(output), run, plan.summary(), parts)


def write_evaluation(
    output: Path, manifest: Manifest, photos: Path, truth: Path, images: Mapping[str, Labelled]
) -> None:
    """Writes truths that are the masks without their last row, and an evaluation against them."""
    truth.mkdir(parents=True)
    labels = LabelSet.from_dict(manifest.model["labels"])
    for name, image in images.items():
        known = image.labels.copy()
        known[-1] = IGNORED
        (truth / name).write_bytes(encode_label_map(known, labels.palette_bytes()))
    pairing = pair_by_name(
        [ImageRef(f"{photos}/{name}") for name in images],
        [ImageRef(f"{truth}/{name}") for name in images],
    )
    begin_evaluation(str(output), pairing)
    rule = TruthRule(labels)
    scored = scored_rows([], rule)
    for pair in pairing.pairs:
        mask = images[pair.uri.rpartition("/")[2]].labels
        known = rule.read(Path(pair.truth.uri).read_bytes(), pair.truth.uri)
        tally = tally_pixels(known, mask, len(labels))
        scored = scored_rows([ImageScore(pair, tally, *mask.shape)], rule) + scored
    settings = {"truth_format": "auto", "segmented_run": manifest.run_id, "named": pairing.named()}
    record = replace(
        RUN, settings=settings, options={"ignore_labels": []}, model={"labels": labels.to_dict()}
    )
    commit_evaluation(str(output), record, scored)


def grow_run(output: Path, copies: int) -> None:
    """Makes a run that many times as large by rows: each image stands there once more for each."""
    manifest = json.loads((output / "manifest.json").read_bytes())
    parts = []
    for dataset, step in ((MASKS, 2), (FAILURES, copies)):
        rows = pq.read_table([*(output / dataset).glob("part-*.parquet")])
        for first in range(0, copies, step):
            numbers = range(first, min(first + step, copies))
            content = parquet_bytes(_copied(rows, numbers))
            part = Part(dataset, f"{first:016x}", len(numbers) * rows.num_rows, len(content))
            (output / part.path).write_bytes(content)
            parts.append(part)
    stored = parquet_bytes(part_rows(parts))
    (output / manifest["parts"]["file"]).write_bytes(stored)
    for table in TABLES[MASKS]:
        (file,) = (output / table.name).iterdir()
        rows = _copied(pq.read_table(file), range(copies))
        pq.write_table(rows, file, row_group_size=2**17)


def _copied(rows: pa.Table, numbers: range) -> pa.Table:
    """The rows once for each number, each time of other images."""
    column = rows.schema.get_field_index("image_uri")
    uris = rows.column(column)
    return pa.concat_tables(
        rows.set_column(
            column, "image_uri", pc.binary_join_element_wise(uris, f"-{number}.png", "")
        )
        for number in numbers
    )
