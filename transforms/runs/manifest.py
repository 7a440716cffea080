"""``run.json`` and ``manifest.json``: what a run is, and the proof that it is complete."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, TypeVar

from beam_deeplab.transforms.records import LeftOut

RUN_FILE = "run.json"
MANIFEST_FILE = "manifest.json"
FORMAT_VERSION = 1

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
        format_version: Of this file's layout.
    """

    run_id: str
    fingerprint: str
    options: Mapping[str, Any]
    settings: Mapping[str, Any]
    model: Mapping[str, Any]
    versions: Mapping[str, str]
    started: str
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
        """What each Parquet part says of the run that made it."""
        return {
            "run_id": self.run_id,
            "fingerprint": self.fingerprint,
            "options": dict(self.options),
            "model": dict(self.model),
            "versions": dict(self.versions),
        }


@dataclass(frozen=True)
class PartEntry:
    """One file of the output, as the manifest lists it.

    Attributes:
        path: Below the output.
        rows: Rows in it.
        size: In bytes.
    """

    path: str
    rows: int
    size: int


@dataclass(frozen=True)
class Manifest:
    """The content of ``manifest.json``; the run is committed when the file is there.

    Attributes:
        run_id: Of the run that committed.
        fingerprint: Of the options that decide results.
        options: Those options.
        model: Reference, classes and palette of the model.
        versions: Of this package and its libraries.
        counts: ``inputs`` (distinct), ``duplicates``, ``planned``, ``skipped``, ``masks`` and
            ``failures`` of this run; ``total_masks``, ``total_failures`` and ``not_in_inputs``
            of the whole output.
        failures_by_code: Failures in the whole output, by code.
        class_pixels: Pixels in the whole output, by class name.
        parts: Every file of the three datasets.
        started: When the run began, UTC, ISO 8601.
        committed: When it was committed, UTC, ISO 8601.
        seconds: From one to the other.
        left_out: Files that the inputs name and that were not looked at: ``pattern``, ``kind``
            and ``count`` of each sort.
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
    parts: tuple[PartEntry, ...] = field(repr=False)
    started: str
    committed: str
    seconds: float
    left_out: tuple[LeftOut, ...] = ()
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
        parts = fields.get("parts", [])
        fields["parts"] = tuple(_built(PartEntry, MANIFEST_FILE, part) for part in parts)
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
