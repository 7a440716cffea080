"""What a user names -> images, truths, pairs, and masks that an earlier run has written."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from beam_deeplab.transforms import storage
from beam_deeplab.transforms.parquet.schemas import FAILURES, MASKS
from beam_deeplab.transforms.records import Failure, FailureCode, ImageRef, LabelledRef, Stage
from beam_deeplab.transforms.runs.manifest import MANIFEST_FILE, Manifest
from beam_deeplab.transforms.sources.image_lists import read_uri_pairs
from beam_deeplab.transforms.sources.listing import absolute_pattern, list_images
from beam_deeplab.transforms.sources.matching import match_files
from beam_deeplab.transforms.sources.patterns import Glob, has_magic
from beam_deeplab.transforms.sources.versions import with_versions

_READERS: Final = 16


class Role(StrEnum):
    """What a source names."""

    IMAGES = "images"
    TRUTHS = "truths"
    PAIRS = "pairs"
    SEGMENTED = "segmented"


@dataclass(frozen=True, slots=True)
class Source:
    """One thing that a user named.

    Attributes:
        role: What it is.
        pattern: Glob, path, folder or list; a list for ``PAIRS``, the output of a committed run
            for ``SEGMENTED``.
    """

    role: Role
    pattern: str


@dataclass(frozen=True, slots=True)
class NamedImage:
    """An image that is to be paired.

    Attributes:
        ref: The image.
        part: URI of the Parquet part that holds its mask; empty if it has none yet.
        failure: Why an earlier run has no mask of it; None if it has, or if there was no such run.
    """

    ref: ImageRef
    part: str = ""
    failure: Failure | None = None


@dataclass(frozen=True, slots=True)
class NamedTruth:
    """A truth that is to be paired."""

    ref: ImageRef


Named = NamedImage | NamedTruth | LabelledRef


def list_source(source: Source) -> Iterator[Named]:
    """Lists what a source names, with the versions that stand there now.

    Args:
        source: One source.

    Yields:
        Images, truths, or pairs (of a list), in any order, duplicates included.

    Raises:
        transforms.sources.image_lists.ImageListError: A list is malformed.
        OSError: A folder, a list or a part cannot be read.
        ValueError: The run to take masks from is not one that this version reads.
    """
    if source.role is Role.IMAGES:
        yield from map(NamedImage, list_images(source.pattern))
    elif source.role is Role.TRUTHS:
        yield from map(NamedTruth, list_images(source.pattern))
    elif source.role is Role.PAIRS:
        yield from _list_pairs(source.pattern)
    else:
        yield from _list_segmented(source.pattern)


def read_segmented_manifest(output: str) -> Manifest:
    """The manifest of the run whose masks are to be scored.

    Raises:
        FileNotFoundError: It is not committed, or nothing is there.
        OSError: It cannot be read.
        ValueError: It is not one that this version reads.
    """
    return Manifest.from_json(storage.read(storage.join(output, MANIFEST_FILE)))


def _list_pairs(pattern: str) -> Iterator[LabelledRef]:
    lists: Iterable[str] = [pattern]
    if not storage.scheme(pattern):
        pattern = absolute_pattern(pattern)
    if has_magic(pattern):
        lists = [ref.uri for ref in match_files(Glob.parse(pattern))]
    for uri in lists:
        pairs = list(read_uri_pairs(uri))
        refs = {ref.uri: ref for ref in with_versions(dict.fromkeys(itertools.chain(*pairs)))}
        for image, truth in pairs:
            yield LabelledRef(image, refs[image].version, refs[truth])


def _list_segmented(output: str) -> Iterator[NamedImage]:
    parts = [part.path for part in read_segmented_manifest(output).parts]
    masks = [storage.join(output, path) for path in parts if path.startswith(f"{MASKS}/")]
    failures = [storage.join(output, path) for path in parts if path.startswith(f"{FAILURES}/")]
    with ThreadPoolExecutor(_READERS) as pool:
        for part, table in zip(masks, pool.map(_image_columns, masks), strict=True):
            for row in table.to_pylist():
                yield NamedImage(ImageRef(row["image_uri"], row["image_version"]), part)
    for part in failures:
        with storage.open_seekable(part) as file:
            rows = pq.read_table(file).to_pylist()
        for row in rows:
            ref = ImageRef(row["image_uri"], row["image_version"])
            code, stage = FailureCode(row["code"]), Stage(row["stage"])
            yield NamedImage(ref, failure=Failure(ref, stage, code, row["message"]))


def _image_columns(part: str) -> pa.Table:
    with storage.open_seekable(part) as file:
        return pq.read_table(file, columns=["image_uri", "image_version"])
