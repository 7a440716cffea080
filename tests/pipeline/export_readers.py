"""Reads exports back by the tools that take them, in an environment of their own.

Run with a reader, the export, the folder of the images, that of the label maps that the export
should hold, as grey PNGs of the images' paths, and the classes. Prints how many were equal.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from PIL import Image

IGNORED = 255
Read: TypeAlias = Iterator[tuple[str, Any, Sequence[str]]]
"""Of each image its path without suffix, its label map, and what the labels are called."""


def _painted(regions: Iterator[tuple[Any, int]]) -> Any:
    labels = None
    for region, label in regions:
        labels = np.full(region.shape, IGNORED) if labels is None else labels
        labels[region.astype(bool)] = label
    return labels


def _datumaro(form: str, export: Path) -> Read:
    import datumaro

    data = datumaro.Dataset.import_from(str(export), form)
    names = [category.name for category in data.categories()[datumaro.AnnotationType.label]]
    for item in data:
        masks = (each for each in item.annotations if hasattr(each, "image"))
        yield item.id, _painted((np.asarray(each.image), each.label) for each in masks), names


def _supervision(export: Path, images: Path) -> Read:
    import supervision

    file = export / "annotations" / "instances_default.json"
    data = supervision.DetectionDataset.from_coco(str(images), str(file), force_masks=True)
    for path, _, found in data:
        regions = zip(found.mask, found.class_id, strict=True) if len(found) else iter(())
        name = str(Path(path).relative_to(images.resolve()).with_suffix(""))
        yield name, _painted(regions), data.classes


READERS: dict[str, Callable[[Path, Path], Read]] = {
    "datumaro-voc": lambda export, _: _datumaro("voc_segmentation", export),
    "datumaro-coco": lambda export, _: _datumaro("coco_instances", export),
    "datumaro-panoptic": lambda export, _: _datumaro("coco_panoptic", export),
    "supervision": _supervision,
}


def main(reader: str, export: Path, images: Path, truth: Path, names: Sequence[str]) -> None:
    """Compares; what an export leaves out, background first of all, counts as ignored."""
    has_background = json.loads((export / "export.json").read_text())["format"] == "png"
    expected = {
        str(file.relative_to(truth).with_suffix("")): np.asarray(Image.open(file)).astype(int)
        for file in truth.rglob("*.png")
    }
    equal = 0
    for name, labels, categories in READERS[reader](export, images):
        ids = [names.index(each) if each in names else IGNORED for each in categories]
        table = np.array([*ids, *[IGNORED] * (IGNORED + 1 - len(ids))])
        wanted = expected.pop(name)
        found = np.full(wanted.shape, IGNORED) if labels is None else table[labels]
        if not has_background:
            wanted[wanted == names.index("background")] = IGNORED
        if found.shape != wanted.shape or (found != wanted).any():
            sys.exit(f"{name} differs")
        equal += 1
    if expected:
        sys.exit(f"{len(expected)} are missing, of them {sorted(expected)[:3]}")
    print(equal)


if __name__ == "__main__":
    reader, names = sys.argv[1], sys.argv[5].split(",")
    main(reader, Path(sys.argv[2]), Path(sys.argv[3]), Path(sys.argv[4]), names)
