"""Label Studio's tasks, each class of a mask a brush prediction that labelers go on with."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, ClassVar, Final
from xml.sax.saxutils import quoteattr

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
from beam_deeplab.transforms.exporting.labels import annotated_labels, label_map

_TASKS: Final = 100
"""Of one file: what an import takes, and a process holds."""

_HEADER: Final = (8 - 1, 5), (3 - 1, 4), (4 - 1, 4), (8 - 1, 4), (16 - 1, 4)
"""Values and their bits: a word has 8 bits, and lengths come in 3, 4, 8 or 16 of them."""

_LONGEST: Final = 1 << 16
_CHANNELS: Final = 4


@dataclass(frozen=True)
class LabelStudio:
    """``label-studio``: JSON files of tasks, and the labeling interface that fits them.

    Attributes:
        labels: The run's classes.
    """

    labels: LabelSet

    owns: ClassVar[tuple[str, ...]] = ("tasks/", "label_config.xml")
    images_per_index: ClassVar[int | None] = None

    def encode(self, masks: Iterable[NamedMask], subset: str) -> Iterator[Exported]:  # noqa: ARG002
        """A file of up to 100 tasks."""
        remaining = iter(masks)
        while some := list(islice(remaining, _TASKS)):
            tasks = json.dumps([self._task(mask) for mask in some])
            file = ExportFile(f"tasks/tasks-{some[0].id:09}.json", tasks.encode())
            yield Exported((file,), ({},) * len(some))

    def _task(self, mask: NamedMask) -> Entry:
        labels, annotated = label_map(mask), annotated_labels(self.labels)
        present = np.bincount(labels.ravel(), minlength=256) > 0
        height, width = labels.shape
        result = [
            {
                "id": f"{mask.id}-{label}",
                "type": "brushlabels",
                "from_name": "label",
                "to_name": "image",
                "original_width": width,
                "original_height": height,
                "image_rotation": 0,
                "value": {
                    "format": "rle",
                    "rle": encode_brush(labels == label).tolist(),
                    "brushlabels": [self.labels.names[label]],
                },
            }
            for label in np.flatnonzero(annotated & present).tolist()
        ]
        prediction = {"model_version": "beam-deeplab", "result": result}
        return {"data": {"image": mask.uri, "name": mask.name}, "predictions": [prediction]}

    def index(
        self,
        entries: Iterable[Mapping[str, Any]],  # noqa: ARG002 - tasks hold all of an image
        subset: Subset,  # noqa: ARG002 - there is one
    ) -> Iterator[ExportFile]:
        """The labeling interface: all classes but the background, in their colours."""
        annotated = annotated_labels(self.labels)
        colours = with_distinct_colors(self.labels).palette
        lines = [
            f'    <Label value={quoteattr(name)} background="#{red:02x}{green:02x}{blue:02x}"/>'
            for label, (name, (red, green, blue)) in enumerate(
                zip(self.labels.names, colours, strict=True)
            )
            if annotated[label]
        ]
        config = [
            "<View>",
            '  <Image name="image" value="$image" zoom="true"/>',
            '  <BrushLabels name="label" toName="image">',
            *lines,
            "  </BrushLabels>",
            "</View>",
            "",
        ]
        yield ExportFile("label_config.xml", "\n".join(config).encode())


def encode_brush(region: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """A region as Label Studio's brush stores it: the run lengths of ``@thi.ng/rle-pack``.

    They are of the words of an RGBA picture, all four channels of a pixel 255 in the region and 0
    outside: a header of the words' number and of sizes, and for each run one bit that says so, two
    that choose the size of its length, the length less one, and the word.

    Args:
        region: bool of shape [height, width], not empty.

    Returns:
        uint8 of shape [bytes].
    """
    pixels = region.ravel()
    starts = np.append(0, np.flatnonzero(pixels[1:] != pixels[:-1]) + 1)
    lengths = np.diff(np.append(starts, pixels.size)) * _CHANNELS
    pieces = -(-lengths // _LONGEST)
    counts = np.full(pieces.sum(), _LONGEST, np.int64)
    counts[np.cumsum(pieces) - 1] = lengths - (pieces - 1) * _LONGEST
    words = np.repeat(pixels[starts], pieces) * 255
    # Every run in 27 bits: 1, then 3 for a length of 16 bits, the length, the word.
    runs = (0b111 << 24) | (counts - 1 << 8) | words
    header = [_bits(np.array([value]), size) for value, size in ((pixels.size * 4, 32), *_HEADER)]
    return np.packbits(np.concatenate([*map(np.ravel, header), _bits(runs, 27).ravel()]))


def _bits(values: NDArray[np.int64], size: int) -> NDArray[np.uint8]:
    """The lowest bits of numbers, the highest first: uint8 of shape [numbers, size]."""
    return (values[:, None] >> np.arange(size - 1, -1, -1) & 1).astype(np.uint8)
