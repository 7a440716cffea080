"""The pictures of a run of renders as plain files."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from beam_deeplab.deeplab.labels import LabelSet
from beam_deeplab.transforms.exporting.interface import Exported, ExportFile, NamedMask, Subset


@dataclass(frozen=True)
class RenderedFiles:
    """``files``: a folder of pictures, and a list that says whose they are.

    Attributes:
        labels: The run's classes.
    """

    labels: LabelSet

    owns: ClassVar[tuple[str, ...]] = ("images/", "images.csv")
    images_per_index: ClassVar[int | None] = None

    def encode(self, masks: Iterable[NamedMask], subset: str) -> Iterator[Exported]:  # noqa: ARG002
        """One file an image, as the run holds it."""
        for each in masks:
            path = f"images/{each.name}.{each.suffix}"
            entry = {"path": path, "uri": each.uri}
            yield Exported((ExportFile(path, each.png),), (entry,))

    def index(
        self,
        entries: Iterable[Mapping[str, Any]],
        subset: Subset,  # noqa: ARG002 - there is one
    ) -> Iterator[ExportFile]:
        """The images' URIs beside their files."""
        table = io.StringIO()
        writer = csv.writer(table, lineterminator="\n")
        writer.writerow(["path", "image_uri"])
        writer.writerows([entry["path"], entry["uri"]] for entry in entries)
        yield ExportFile("images.csv", table.getvalue().encode(errors="surrogateescape"))
