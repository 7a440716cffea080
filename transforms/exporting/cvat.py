"""Masks in VOC's folders and colours, with the objects in them, as CVAT imports them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from beam_deeplab.deeplab.labels import LabelSet
from beam_deeplab.transforms.exporting.colours import with_distinct_colors
from beam_deeplab.transforms.exporting.interface import Exported, ExportFile, NamedMask, Subset
from beam_deeplab.transforms.exporting.label_pngs import CLASSES, LISTS, label_map_file, text_file
from beam_deeplab.transforms.exporting.labels import annotated_labels, label_map
from beam_deeplab.transforms.exporting.segments import connected_regions
from beam_deeplab.transforms.masks.png import encode_label_map, with_palette

OBJECTS: Final = "SegmentationObject"
_MOST: Final = 255
"""Objects that a picture of VOC's colours tells apart."""


@dataclass(frozen=True)
class CvatMasks:
    """``cvat``: the folder that CVAT imports, zipped, as "Segmentation mask" or "PASCAL VOC".

    Without its objects CVAT would take the background for one.

    Attributes:
        labels: The run's classes.
        instances: Whether each connected part of a class is an object, instead of each class.
        min_region: Parts of fewer pixels are none.
    """

    labels: LabelSet
    instances: bool = False
    min_region: int = 1

    owns: ClassVar[tuple[str, ...]] = (
        f"{CLASSES}/", f"{OBJECTS}/", "ImageSets/", "labelmap.txt"
    )  # fmt: skip
    images_per_index: ClassVar[int | None] = None

    def encode(self, masks: Iterable[NamedMask], subset: str) -> Iterator[Exported]:  # noqa: ARG002
        """Two PNGs an image: the classes in their colours, and the objects in VOC's."""
        colours = with_distinct_colors(self.labels).palette_bytes()
        object_colours = LabelSet.from_dict(["none"]).palette_bytes()
        for mask in masks:
            labels = label_map(mask)
            objects = encode_label_map(self._objects(labels), object_colours)
            yield Exported(
                (
                    ExportFile(f"{CLASSES}/{mask.name}.png", with_palette(mask.png, colours)),
                    ExportFile(f"{OBJECTS}/{mask.name}.png", objects),
                ),
                ({"name": mask.name, "ignored": bool(labels.max() >= len(self.labels))},),
            )

    def _objects(self, labels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """uint8 of the same shape: objects from 1, 0 for none; of too many the largest."""
        wanted = annotated_labels(self.labels)
        if not self.instances:
            numbers = np.where(wanted, np.cumsum(wanted), 0).astype(np.uint8)
            return numbers[labels]
        regions, classes = connected_regions(labels, wanted, self.min_region)
        areas = np.bincount(regions.ravel(), minlength=len(classes))
        largest = np.sort(np.argsort(-areas[1:], kind="stable")[:_MOST] + 1)
        numbers = np.zeros(len(classes), np.uint8)
        numbers[largest] = np.arange(1, len(largest) + 1)
        return numbers[regions]

    def index(self, entries: Iterable[Mapping[str, Any]], subset: Subset) -> Iterator[ExportFile]:
        """The names of the images, and the classes with their colours."""
        names = []
        ignored = False
        for entry in entries:
            names.append(f"{entry['name']}\n")
            ignored |= entry["ignored"]
        yield text_file(f"{LISTS}/{subset.name}.txt", "".join(names))
        # A project of CVAT must know each class of the list.
        yield label_map_file(self.labels, ignored=ignored)
