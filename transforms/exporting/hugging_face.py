"""A data set of images and label maps in Parquet, as Hugging Face's ``load_dataset`` reads it."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import tee
from typing import Any, ClassVar, Final

import pyarrow as pa
from PIL import Image

from beam_deeplab.deeplab.labels import LabelSet
from beam_deeplab.transforms.decoding.decode import decode
from beam_deeplab.transforms.decoding.formats import DecodingError
from beam_deeplab.transforms.decoding.options import DecodeOptions
from beam_deeplab.transforms.exporting.interface import (
    Entry,
    Exported,
    ExportFile,
    NamedMask,
    Subset,
)
from beam_deeplab.transforms.geometry import Canvas
from beam_deeplab.transforms.masks.png import with_palette
from beam_deeplab.transforms.parquet.parts import parquet_bytes
from beam_deeplab.transforms.records import Failure, FailureCode, ImageRef
from beam_deeplab.transforms.sources.reading import read_images

FILE_BYTES: Final = 32 * 2**20
"""About how large a file is at most: what a process holds."""

_ORIENTATION: Final = 0x0112
_LOADED: Final = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF")
"""What any Pillow opens, which is what ``datasets`` decodes with."""

_PICTURE: Final = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
_FEATURES: Final = {"image": {"_type": "Image"}, "label": {"_type": "Image"}}
SCHEMA: Final = pa.schema(
    [
        pa.field("image", _PICTURE),
        pa.field("label", _PICTURE),
        pa.field("name", pa.string()),
        pa.field("image_uri", pa.string()),
    ],
    metadata={"huggingface": json.dumps({"info": {"features": _FEATURES}})},
)
"""``label`` is a grey PNG whose pixels are class ids, of the size of ``image`` as it is decoded."""


@dataclass(frozen=True)
class HuggingFace:
    """``huggingface``: Parquet files with the images' own bytes, the classes, and a card.

    Attributes:
        labels: The run's classes.
    """

    labels: LabelSet

    owns: ClassVar[tuple[str, ...]] = ("data/", "README.md", "id2label.json", "unreadable.csv")
    images_per_index: ClassVar[int | None] = None

    def encode(self, masks: Iterable[NamedMask], subset: str) -> Iterator[Exported]:  # noqa: ARG002
        """Files of about 32 MB; an image that cannot be read again is in none, and counted."""
        masks, ahead = tee(masks)
        images = read_images(ImageRef(mask.uri, mask.version) for mask in ahead)
        rows: list[dict[str, Any]] = []
        unreadable: list[Entry] = []
        first = size = 0
        for mask, image in zip(masks, images, strict=True):
            first = first or mask.id
            try:
                if isinstance(image, Failure):
                    raise DecodingError(image.code, image.message)
                rows.append(_row(mask, *_as_loaders_read_it(image.data, mask)))
            except DecodingError as error:
                unreadable.append({"uri": mask.uri, "code": error.code, "message": error.message})
                continue
            size += len(rows[-1]["image"]["bytes"]) + len(mask.png)
            if size >= FILE_BYTES:
                yield _exported(first, rows, unreadable)
                rows, unreadable, first, size = [], [], 0, 0
        yield _exported(first, rows, unreadable)

    def index(
        self,
        entries: Iterable[Mapping[str, Any]],
        subset: Subset,  # noqa: ARG002 - there is one
    ) -> Iterator[ExportFile]:
        """The card, the classes, and which images could not be read."""
        names = json.dumps(dict(enumerate(self.labels.names)), indent=2)
        yield ExportFile("id2label.json", f"{names}\n".encode())
        table = io.StringIO()
        writer = csv.writer(table, lineterminator="\n")
        writer.writerow(["image_uri", "code", "message"])
        writer.writerows([each["uri"], each["code"], each["message"]] for each in entries)
        yield ExportFile("unreadable.csv", table.getvalue().encode(errors="surrogateescape"))
        yield ExportFile("README.md", _card(names).encode())


def _row(mask: NamedMask, image: bytes, suffix: str) -> dict[str, Any]:
    return {
        "image": {"bytes": image, "path": f"{mask.name}{suffix}"},
        "label": {"bytes": with_palette(mask.png, None), "path": f"{mask.name}.png"},
        "name": mask.name,
        "image_uri": mask.uri.encode(errors="surrogateescape").decode(errors="replace"),
    }


def _exported(first: int, rows: list[dict[str, Any]], unreadable: list[Entry]) -> Exported:
    file = ExportFile(f"data/train-{first:09}.parquet", _parquet(rows))
    return Exported((file,) if rows else (), tuple(unreadable), unreadable=len(unreadable))


def _parquet(rows: list[dict[str, Any]]) -> bytes:
    return parquet_bytes(pa.Table.from_pylist(rows, SCHEMA))


def _as_loaders_read_it(data: bytes, mask: NamedMask) -> tuple[bytes, str]:
    """A file whose pixels are the mask's once it is decoded and turned as its Exif says.

    That is the image's own, or, where Pillow does not read or turn it as the mask was made, its
    upright pixels as a PNG.

    Returns:
        Its content and suffix.

    Raises:
        DecodingError: It cannot be decoded, or is CHANGED: of another size than the mask.
    """
    original = mask.original
    size = (original.width, original.height)
    try:
        with Image.open(io.BytesIO(data), formats=_LOADED) as picture:
            turned = picture.getexif().get(_ORIENTATION, 1)
            upright = picture.size[::-1] if turned in (5, 6, 7, 8) else picture.size
            if (turned, upright) == (original.orientation, size):
                picture.load()
                return data, f".{(picture.format or '').lower().replace('jpeg', 'jpg')}"
    except (OSError, ValueError, SyntaxError):
        pass  # whatever this is, our own decoder has read it before
    canvas = Canvas(original.height, original.width)
    pixels = decode(data, canvas, DecodeOptions(truncated="keep")).pixels
    height, width, _ = pixels.shape
    if (width, height) != size:
        message = f"has {width} x {height} pixels, the mask {original.width} x {original.height}"
        raise DecodingError(FailureCode.CHANGED, message)
    png = io.BytesIO()
    Image.fromarray(pixels).save(png, "PNG", compress_level=1)
    return png.getvalue(), ".png"


def _card(names: str) -> str:
    """JSON is YAML, and quotes whatever a name holds."""
    return "\n".join(
        [
            "---",
            "task_categories:",
            "- image-segmentation",
            "configs:",
            "- config_name: default",
            "  data_files:",
            "  - split: train",
            "    path: data/*.parquet",
            "---",
            "",
            "# Images and masks",
            "",
            "`image` is the photo, `label` a grey PNG of the size that it is decoded to: the pixel "
            "is the class id, 255 is ignored. The masks were made by beam-deeplab, a network. "
            "`id2label.json` holds the classes:",
            "",
            "```json",
            names,
            "```",
            "",
        ]
    )
