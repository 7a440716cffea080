"""Label maps as PNGs of class ids, in VOC's folders."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from beam_deeplab.deeplab.labels import LabelSet
from beam_deeplab.deeplab.labels.label_set import voc_color
from beam_deeplab.transforms.exporting.colours import with_distinct_colors
from beam_deeplab.transforms.exporting.interface import (
    Exported,
    ExportFile,
    NamedMask,
    Subset,
)
from beam_deeplab.transforms.exporting.labels import label_map
from beam_deeplab.transforms.masks.png import encode_label_map, with_palette

CLASSES: Final = "SegmentationClass"
LISTS: Final = "ImageSets/Segmentation"
_IGNORED: Final = "ignored"
"""What VOC's tools call pixels without a class."""


@dataclass(frozen=True)
class LabelPngs:
    """``png``: PNGs whose pixels are class ids, with the lists that say what the ids are.

    Attributes:
        labels: The run's classes.
        palette: Whether PNGs are indexed, in distinct colours, instead of grey.
        orientation: ``upright``, or ``stored``: as the photo's file has its pixels.
    """

    labels: LabelSet
    palette: bool = False
    orientation: str = "upright"

    owns: ClassVar[tuple[str, ...]] = (
        f"{CLASSES}/", "ImageSets/", "images.csv", "labelmap.txt", "id2label.json", "_classes.csv"
    )  # fmt: skip
    images_per_index: ClassVar[int | None] = None

    def encode(self, masks: Iterable[NamedMask], subset: str) -> Iterator[Exported]:  # noqa: ARG002
        """One PNG an image."""
        colours = with_distinct_colors(self.labels).palette_bytes() if self.palette else None
        for mask in masks:
            png = mask.png
            if self.orientation == "stored" and mask.original.orientation != 1:
                turned = label_map(mask, stored=True)
                png = encode_label_map(turned, bytes(768))
            file = ExportFile(f"{CLASSES}/{mask.name}.png", with_palette(png, colours))
            yield Exported((file,), ({"name": mask.name, "uri": mask.uri},))

    def index(self, entries: Iterable[Mapping[str, Any]], subset: Subset) -> Iterator[ExportFile]:
        """The names of the images, of VOC and beside their URIs, and the classes, in three ways."""
        table, names = io.StringIO(), io.StringIO()
        writer = csv.writer(table, lineterminator="\n")
        writer.writerow(["name", "image_uri"])
        for entry in entries:
            writer.writerow([entry["name"], entry["uri"]])
            names.write(f"{entry['name']}\n")
        yield text_file(f"{LISTS}/{subset.name}.txt", names.getvalue())
        yield text_file("images.csv", table.getvalue())
        yield label_map_file(self.labels)
        names_by_id = dict(enumerate(self.labels.names))
        yield text_file(
            "id2label.json", json.dumps(names_by_id, indent=2, ensure_ascii=False) + "\n"
        )
        yield _classes_file(self.labels)


def label_map_file(labels: LabelSet, *, ignored: bool = True) -> ExportFile:
    """``labelmap.txt`` as CVAT and datumaro read it: ``name:red,green,blue:parts:actions``.

    In the order of the ids; behind them, if ``ignored``, the colour of pixels without a class.
    """
    named = list(zip(labels.names, with_distinct_colors(labels).palette, strict=True))
    if ignored:
        named.append((_IGNORED, voc_color(labels.ignore_label)))
    lines = ["# label:color_rgb:parts:actions"]
    taken: set[str] = set()
    for name, color in named:
        plain = re.sub(r"[:#\s]+", " ", name).strip() or "_"
        while plain in taken:
            plain += "_"
        taken.add(plain)
        lines.append(f"{plain}:{','.join(map(str, color))}::")
    return text_file("labelmap.txt", "\n".join([*lines, ""]))


def _classes_file(labels: LabelSet) -> ExportFile:
    """``_classes.csv`` as Roboflow writes it beside masks."""
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(["Pixel Value", " Class"])
    writer.writerows([label, f" {name}"] for label, name in enumerate(labels.names))
    return text_file("_classes.csv", table.getvalue())


def text_file(path: str, text: str) -> ExportFile:
    """A file of UTF-8."""
    return ExportFile(path, text.encode())
