"""What a format is: a pure function from masks to files, and one that writes the index of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, TypeAlias

from beam_deeplab.deeplab.labels import LabelSet
from beam_deeplab.transforms.records import Original

Entry: TypeAlias = dict[str, Any]
"""What the index says of an image, as plain data for JSON."""


@dataclass(frozen=True, slots=True)
class NamedMask:
    """One image's mask, named.

    Attributes:
        id: A number from 1, the image's alone in its export.
        name: What files are called after it (:func:`transforms.exporting.names.export_names`):
            a safe relative path without suffix.
        file_name: The image's own path below its collection.
        uri: The image.
        version: Of the image that was segmented.
        png: Its label map as the run holds it: an indexed PNG, upright. Of a run of renders the
            picture's file, whatever its format.
        original: The picture as its file holds it.
        suffix: Of that file.
    """

    id: int
    name: str
    file_name: str
    uri: str
    png: bytes
    original: Original
    suffix: str = "png"
    version: str = ""


@dataclass(frozen=True, slots=True)
class ExportFile:
    """A file of an export; its path is relative, with ``/`` between the parts."""

    path: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Exported:
    """What some masks have become.

    Attributes:
        files: To be written now.
        entries: For the index, one an image.
        annotations: How many of the index's numbers these images take.
        unreadable: How many of these images could not be read again, and are not in the files.
    """

    files: tuple[ExportFile, ...] = ()
    entries: tuple[Entry, ...] = ()
    annotations: int = 0
    unreadable: int = 0


@dataclass(frozen=True, slots=True)
class Subset:
    """Images that are indexed together.

    Attributes:
        name: ``default``, or ``default-00001-of-00003`` where there are several.
        annotations_before: How many annotations earlier subsets hold.
    """

    name: str = "default"
    annotations_before: int = 0


class Format(Protocol):
    """A format; its implementations are frozen dataclasses, whose further fields are its flags.

    Attributes:
        labels: The run's classes.
        owns: Names at the top of the output, of folders with a ``/``, in which all is its own.
        images_per_index: After so many images a new subset begins; None for never.
    """

    labels: LabelSet
    owns: ClassVar[tuple[str, ...]]
    images_per_index: ClassVar[int | None]

    def encode(self, masks: Iterable[NamedMask], subset: str) -> Iterator[Exported]:
        """The files of one part's masks, and what the index needs of them.

        Args:
            masks: In their order; each is read when it is asked for.
            subset: The name of their subset.
        """

    def index(self, entries: Iterable[Mapping[str, Any]], subset: Subset) -> Iterator[ExportFile]:
        """The files that say what is in a subset, from the entries of all its images."""
