"""COCO: masks as run lengths in JSON, and panoptic PNGs beside."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final

import cv2
import numpy as np

from beam_deeplab.deeplab.labels import LabelSet
from beam_deeplab.transforms.exporting.colours import with_distinct_colors
from beam_deeplab.transforms.exporting.interface import (
    Entry,
    Exported,
    ExportFile,
    NamedMask,
    Subset,
)
from beam_deeplab.transforms.exporting.labels import annotated_labels, label_map
from beam_deeplab.transforms.exporting.segments import (
    Regions,
    Segment,
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
        wanted = annotated_labels(self.labels)
        for mask in masks:
            labels = label_map(mask, stored=self.orientation == "stored")
            regions: Regions = labels
            classes: Sequence[int] = range(256)
            if self.instances:
                regions, classes = connected_regions(labels, wanted, self.min_region)
                segments = encode_segments(regions, np.arange(len(classes)) > 0)
            else:
                segments = encode_segments(labels, wanted)
            height, width = labels.shape
            image = {"id": mask.id, "width": width, "height": height, "file_name": mask.file_name}
            facts = [_facts(segment, classes) for segment in segments]
            annotations = [
                {"image_id": mask.id, "segmentation": segment.rle, **own}
                for segment, own in zip(segments, facts, strict=True)
            ]
            entry: Entry = {"image": image, "annotations": annotations}
            files: tuple[ExportFile, ...] = ()
            if self.panoptic:
                path = f"{mask.name}.png"
                numbered = [{"id": number, **own} for number, own in enumerate(facts, 1)]
                entry["panoptic"] = {
                    "image_id": mask.id,
                    "file_name": path,
                    "segments_info": numbered,
                }
                content = panoptic_png(regions, segments)
                files = (ExportFile(f"{ANNOTATIONS}/panoptic_{subset}/{path}", content),)
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
            if annotated_labels(self.labels)[label]
        ]


def panoptic_png(regions: Regions, segments: Sequence[Segment]) -> bytes:
    """COCO's panoptic PNG: red + 256 green + 65536 blue is a segment's place, from 1; or 0."""
    places = np.zeros(int(regions.max()) + 1, np.uint32)
    places[[segment.number for segment in segments]] = np.arange(1, len(segments) + 1)
    colours = places.view(np.uint8).reshape(-1, 4)[:, 2::-1]  # little-endian, for OpenCV's BGR
    strategy = [cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_RLE]
    return bytes(cv2.imencode(".png", np.ascontiguousarray(colours)[regions], strategy)[1])


def _facts(segment: Segment, classes: Sequence[int]) -> dict[str, Any]:
    """What both of COCO's forms say of a segment."""
    return {
        "category_id": classes[segment.number],
        "area": segment.area,
        "bbox": segment.bbox,
        "iscrowd": 0,
    }


def _json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
