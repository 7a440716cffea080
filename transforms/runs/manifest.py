"""``run.json`` and ``manifest.json``: what a run is, and the proof that it is complete."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, TypeVar

from beam_deeplab.transforms.records import LeftOut

RUN_FILE = "run.json"
MANIFEST_FILE = "manifest.json"
PARTS_FILE = "parts.parquet"
FORMAT_VERSION = 2

RecordT = TypeVar("RecordT")


def fingerprint_of(options: Mapping[str, Any]) -> str:
    """SHA-256 over the options that decide results, as 64 hex digits."""
    return hashlib.sha256(json.dumps(options, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True)
class RunRecord:
    """The content of ``run.json``, written before any work.

    Attributes:
        run_id: Unique to this run.
        fingerprint: :func:`fingerprint_of` ``options``.
        options: What decides results: model digest, canvas, output stride, precision, engine,
            labels, decode options. Two runs with equal options give equal rows.
        settings: What does not: inputs, shard size, workers.
        model: Reference, classes and palette of the model, for readers.
        versions: Of this package and of the libraries that decide results.
        started: UTC time, ISO 8601.
        images_root: The folder below which images are named
            (:func:`transforms.parquet.names.relative_name`).
        dataset: What it makes of images: ``masks`` or ``renders``.
        format_version: Of this file's layout.
    """

    run_id: str
    fingerprint: str
    options: Mapping[str, Any]
    settings: Mapping[str, Any]
    model: Mapping[str, Any]
    versions: Mapping[str, str]
    started: str
    images_root: str = ""
    dataset: str = "masks"
    format_version: int = FORMAT_VERSION

    def to_json(self) -> bytes:
        """The file's content."""
        return json.dumps(asdict(self), indent=2, sort_keys=True).encode() + b"\n"

    @classmethod
    def from_json(cls, content: bytes) -> RunRecord:
        """Reads the file's content.

        Raises:
            ValueError: It is not a run record of this layout.
        """
        return _built(cls, RUN_FILE, _fields(content, RUN_FILE))

    def part_metadata(self) -> dict[str, Any]:
        """What each Parquet file says of the run that made it, and may be published.

        The labels stand in it once, with the model, which goes by its name: a path would tell
        of the launching machine.
        """
        reference = str(self.model.get("reference", ""))
        name = reference if "://" in reference else reference.rstrip("/").rpartition("/")[2]
        return {
            "run_id": self.run_id,
            "fingerprint": self.fingerprint,
            "dataset": self.dataset,
            "options": {key: value for key, value in self.options.items() if key != "labels"},
            "model": {**self.model, "reference": name},
            "versions": dict(self.versions),
        }


@dataclass(frozen=True)
class PartList:
    """The parts of an output, listed in a file of their own.

    Attributes:
        file: Below the output; columns ``path``, ``rows`` and ``size`` (bytes).
        count: How many there are.
        size: In bytes, together.
    """

    file: str
    count: int
    size: int


@dataclass(frozen=True)
class Manifest:
    """The content of ``manifest.json``; the run is committed when the file is there.

    Attributes:
        run_id: Of the run that committed.
        fingerprint: Of the options that decide results.
        options: Those options.
        model: Name, digest, classes and palette of the model.
        versions: Of this package and its libraries, in the run that committed.
        writers: What wrote the parts: the distinct ``model`` (name and digest), ``versions`` and,
            where networks are of 8 bits, ``cpu`` (instructions),
            of all runs, and how many ``parts`` are of each.
        counts: ``inputs`` (distinct), ``duplicates``, ``planned``, ``skipped``, ``masks`` (or
            ``renders``) and ``failures`` of this run; ``total_masks`` (``total_renders``),
            ``total_failures`` and ``not_in_inputs`` of the whole output; ``discarded_parts``,
            damaged ones that were given up; ``barely_seen`` and ``truncated``, pictures of which
            the reduction left little, or only a part was there; ``unchanged``, renders on which
            there was nothing to do; ``ignored_pixels`` of all masks, which have no class.
        failures_by_code: Failures in the whole output, by code.
        class_pixels: Pixels in the whole output, by class name.
        genre_pixels: The same by genre; empty in manifests of version 0.2.0.
        parts: Where every file of results and failures is listed.
        tables: The tables that were made from them, by name: their files below the output.
        started: When the run began, UTC, ISO 8601.
        committed: When it was committed, UTC, ISO 8601.
        seconds: From one to the other.
        left_out: Files that the inputs name and that were not looked at: ``pattern``, ``kind``
            and ``count`` of each sort.
        dataset: What the run makes of images: ``masks`` or ``renders``.
        format_version: Of this file's layout.
    """

    run_id: str
    fingerprint: str
    options: Mapping[str, Any]
    model: Mapping[str, Any]
    versions: Mapping[str, str]
    counts: Mapping[str, int]
    failures_by_code: Mapping[str, int]
    class_pixels: Mapping[str, int]
    parts: PartList
    tables: Mapping[str, Sequence[str]]
    writers: Sequence[Mapping[str, Any]]
    started: str
    committed: str
    seconds: float
    left_out: tuple[LeftOut, ...] = ()
    genre_pixels: Mapping[str, int] = field(default_factory=dict)
    dataset: str = "masks"
    format_version: int = FORMAT_VERSION

    def to_json(self) -> bytes:
        """The file's content."""
        return json.dumps(asdict(self), indent=2, sort_keys=True).encode() + b"\n"

    @classmethod
    def from_json(cls, content: bytes) -> Manifest:
        """Reads the file's content.

        Raises:
            ValueError: It is not a manifest of this layout.
        """
        fields = _fields(content, MANIFEST_FILE)
        fields["parts"] = _built(PartList, MANIFEST_FILE, fields.get("parts", {}))
        left_out = fields.get("left_out", [])
        fields["left_out"] = tuple(_built(LeftOut, MANIFEST_FILE, each) for each in left_out)
        return _built(cls, MANIFEST_FILE, fields)


def _fields(content: bytes, name: str) -> dict[str, Any]:
    try:
        fields = json.loads(content)
        version = fields["format_version"]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{name} is not a file of beam-deeplab: {error!r}") from error
    if version != FORMAT_VERSION:
        raise ValueError(f"{name} has layout {version}; this version reads {FORMAT_VERSION}")
    return dict(fields)


def _built(cls: type[RecordT], name: str, fields: dict[str, Any]) -> RecordT:
    try:
        return cls(**fields)
    except TypeError as error:
        raise ValueError(f"{name} is not a file of beam-deeplab: {error}") from error
