"""COCO: masks as run lengths in JSON, and panoptic PNGs beside."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from beam_deeplab.deeplab.labels import LabelSet
from beam_deeplab.transforms.exporting.colours import with_distinct_colors
from beam_deeplab.transforms.exporting.interface import (
    Entry,
    Exported,
    ExportFile,
    NamedMask,
    Subset,
)
from beam_deeplab.transforms.exporting.labels import background_labels, label_map
from beam_deeplab.transforms.exporting.segments import (
    Segment,
    class_regions,
    connected_regions,
    encode_segments,
)

ANNOTATIONS: Final = "annotations"


@dataclass(frozen=True)
class Coco:
    """``coco``: an annotation for each class of an image, or each connected part of one.

    There are none of the background, nor of ignored pixels.

    Attributes:
        labels: The run's classes; their ids are the categories' ids.
        instances: Whether connected parts are annotated, and categories are things.
        min_region: Parts of fewer pixels are left out.
        panoptic: Whether COCO's panoptic form is written too.
        orientation: ``stored``: as the photo's file has its pixels, or ``upright``.
    """

    labels: LabelSet
    instances: bool = False
    min_region: int = 1
    panoptic: bool = False
    orientation: str = "stored"

    owns: ClassVar[tuple[str, ...]] = (f"{ANNOTATIONS}/",)
    images_per_index: ClassVar[int | None] = 50_000

    def encode(self, masks: Iterable[NamedMask], subset: str) -> Iterator[Exported]:
        """The annotations of each image, and its panoptic PNG if that is wanted."""
        known = frozenset(range(len(self.labels))) - background_labels(self.labels)
        for mask in masks:
            labels = label_map(mask, stored=self.orientation == "stored")
            regions = (
                connected_regions(labels, known, self.min_region)
                if self.instances
                else class_regions(labels, known)
            )
            segments = encode_segments(labels, regions)
            height, width = labels.shape
            image = {"id": mask.id, "width": width, "height": height, "file_name": mask.file_name}
            annotations = [_annotation(segment, mask.id) for segment in segments]
            entry: Entry = {"image": image, "annotations": annotations}
            files: tuple[ExportFile, ...] = ()
            if self.panoptic:
                entry["panoptic"] = _panoptic(segments, mask)
                folder = f"{ANNOTATIONS}/panoptic_{subset}"
                files = (ExportFile(f"{folder}/{mask.name}.png", panoptic_png(regions)),)
            yield Exported(files, (entry,), len(annotations))

    def index(self, entries: Iterable[Mapping[str, Any]], subset: Subset) -> Iterator[ExportFile]:
        """One JSON file, and a second one for the panoptic form."""
        images, annotations, panoptic = [], [], []
        number = subset.annotations_before
        for entry in entries:
            images.append(_json(entry["image"]))
            for annotation in entry["annotations"]:
                number += 1
                annotations.append(_json({"id": number, **annotation}))
            if self.panoptic:
                panoptic.append(_json(entry["panoptic"]))
        yield self._file(f"instances_{subset.name}", images, annotations)
        if self.panoptic:
            yield self._file(f"panoptic_{subset.name}", images, panoptic)

    def _file(self, name: str, images: Iterable[str], annotations: Iterable[str]) -> ExportFile:
        parts = {
            "info": _json({"description": "masks by beam-deeplab"}),
            "licenses": "[]",
            "images": f"[{','.join(images)}]",
            "annotations": f"[{','.join(annotations)}]",
            "categories": _json(self._categories()),
        }
        content = ",\n".join(f"{_json(key)}:{value}" for key, value in parts.items())
        return ExportFile(f"{ANNOTATIONS}/{name}.json", f"{{{content}}}\n".encode())

    def _categories(self) -> list[dict[str, Any]]:
        colours = with_distinct_colors(self.labels).palette
        return [
            {
                "id": label,
                "name": name,
                "supercategory": self.labels.genres[label],
                "isthing": int(self.instances),
                "color": list(colours[label]),
            }
            for label, name in enumerate(self.labels.names)
            if label not in background_labels(self.labels)
        ]


def panoptic_png(regions: NDArray[np.int32]) -> bytes:
    """Regions as COCO's panoptic PNG: red + 256 green + 65536 blue is the region's number."""
    blue_green_red = np.stack([regions >> 16, regions >> 8, regions], axis=2).astype(np.uint8)
    strategy = [cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_RLE]
    return bytes(cv2.imencode(".png", blue_green_red, strategy)[1])


def _annotation(segment: Segment, image: int) -> dict[str, Any]:
    return {
        "image_id": image,
        "category_id": segment.label,
        "segmentation": segment.rle,
        "area": segment.area,
        "bbox": segment.bbox,
        "iscrowd": 0,
    }


def _panoptic(segments: Iterable[Segment], mask: NamedMask) -> dict[str, Any]:
    return {
        "image_id": mask.id,
        "file_name": f"{mask.name}.png",
        "segments_info": [
            {
                "id": number,
                "category_id": segment.label,
                "area": segment.area,
                "bbox": segment.bbox,
                "iscrowd": 0,
            }
            for number, segment in enumerate(segments, 1)
        ],
    }


def _json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
