"""The rows of a committed run, as evaluations and exports read them: all they know of its parts."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import pyarrow as pa

from beam_deeplab.transforms import storage
from beam_deeplab.transforms.parquet.parts import open_part, read_columns
from beam_deeplab.transforms.parquet.schemas import FAILURES, MASKS
from beam_deeplab.transforms.records import (
    Failure,
    FailureCode,
    ImageRef,
    Original,
    Rendering,
    Segmentation,
    Stage,
)
from beam_deeplab.transforms.runs.manifest import MANIFEST_FILE, Manifest
from beam_deeplab.transforms.runs.part_list import read_part_list

_READERS: Final = 16


def read_segmented_manifest(output: str) -> Manifest:
    """The manifest of the run whose masks or renders are to be read.

    Raises:
        FileNotFoundError: It is not committed, or nothing is there.
        OSError: It cannot be read.
        ValueError: It is not one that this version reads.
    """
    return Manifest.from_json(storage.read(storage.join(output, MANIFEST_FILE)))


def list_results(output: str) -> Iterator[tuple[str, list[ImageRef]]]:
    """A run's parts with masks or renders, each one's URI and images; OSError if one is unreadable.

    Which of both it has says its manifest.
    """
    dataset = read_segmented_manifest(output).dataset
    for part, table in _tables(output, dataset, ["image_uri", "image_version"]):
        yield part, [_ref(row) for row in table.to_pylist()]


def list_failures(output: str) -> Iterator[Failure]:
    """The images that a run has no mask of, and why; OSError if a part cannot be read."""
    for _, table in _tables(output, FAILURES, None):
        for row in table.to_pylist():
            code, stage = FailureCode(row["code"]), Stage(row["stage"])
            yield Failure(_ref(row), stage, code, row["message"])


def read_masks(part: str, uris: Collection[str] | None = None) -> Iterator[Segmentation]:
    """The masks of some images of a part, by default of all, in the part's order.

    They come without their areas.

    Raises:
        OSError: The part is no longer there, or damaged: that is the run's fault, not an image's.
    """
    for row in _rows(part, ["mask"]):
        if uris is None or row["image_uri"] in uris:
            yield Segmentation(_ref(row), row["mask"]["bytes"], (), _original(row))


def read_renders(part: str) -> Iterator[Rendering]:
    """The renders of a part, in its order; OSError if it is no longer there, or damaged."""
    for row in _rows(part, ["image", "effect", "subject_fraction"]):
        image, suffix = row["image"]["bytes"], row["image"]["path"].rpartition(".")[2]
        effect, fraction = row["effect"], row["subject_fraction"]
        yield Rendering(_ref(row), image, suffix, effect, fraction, _original(row))


def _rows(part: str, columns: list[str]) -> Iterator[dict[str, Any]]:
    """A part's rows one by one, with what all results have, and some columns more."""
    common = ["image_uri", "image_version", "width", "height", "orientation"]
    with storage.open_seekable(part) as file:
        table = read_columns(open_part(file), [*common, *columns])
    for batch in table.to_batches(max_chunksize=1):
        yield from batch.to_pylist()


def find_masks(output: str, uris: Collection[str]) -> Iterator[Segmentation]:
    """The masks of some images of a run, wherever they are; OSError if a part cannot be read."""
    missing = set(uris)
    parts = _tables(output, MASKS, ["image_uri"]) if missing else ()
    for part, table in parts:
        found = missing.intersection(table.column("image_uri").to_pylist())
        if found:
            yield from read_masks(part, found)
            missing -= found
        if not missing:
            break


def _original(row: dict[str, Any]) -> Original:
    return Original(row["height"], row["width"], row["orientation"])


def _ref(row: dict[str, Any]) -> ImageRef:
    return ImageRef(row["image_uri"], row["image_version"])


def _tables(output: str, dataset: str, columns: list[str] | None) -> Iterator[tuple[str, pa.Table]]:
    parts = read_part_list(output, read_segmented_manifest(output).parts)
    uris = [storage.join(output, part.path) for part in parts if part.dataset == dataset]

    def read(uri: str) -> pa.Table:
        with storage.open_seekable(uri) as file:
            return read_columns(open_part(file), columns)

    with ThreadPoolExecutor(_READERS) as pool:
        yield from zip(uris, pool.map(read, uris), strict=True)
