"""run.json and manifest.json: what is written is read, and nothing else is."""

from __future__ import annotations

import json

import pytest

from beam_deeplab.transforms.runs.manifest import (
    FORMAT_VERSION,
    Manifest,
    PartList,
    RunRecord,
    fingerprint_of,
)
from tests.rows import LABELS, RUN

MANIFEST = Manifest(
    run_id="r",
    fingerprint="f",
    options={"canvas": [513, 513]},
    model={},
    versions={},
    counts={"inputs": 1},
    failures_by_code={},
    class_pixels={"dog": 3},
    parts=PartList("parts.parquet", 1, 10),
    tables={"images": ["images/part-00000.parquet"]},
    writers=[{"model": {}, "versions": {}, "parts": 1}],
    started="2026-01-01T00:00:00+00:00",
    committed="2026-01-01T00:00:01+00:00",
    seconds=1.0,
)


def test_round_trips() -> None:
    assert RunRecord.from_json(RUN.to_json()) == RUN
    assert Manifest.from_json(MANIFEST.to_json()) == MANIFEST


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"3", b"{}", b"null"])
def test_other_files_are_refused_by_name(content: bytes) -> None:
    with pytest.raises(ValueError, match=r"run\.json is not a file of beam-deeplab"):
        RunRecord.from_json(content)
    with pytest.raises(ValueError, match=r"manifest\.json is not a file of beam-deeplab"):
        Manifest.from_json(content)


def test_a_later_layout_is_refused() -> None:
    fields = json.loads(RUN.to_json()) | {"format_version": FORMAT_VERSION + 1}
    with pytest.raises(ValueError, match=f"this version reads {FORMAT_VERSION}"):
        RunRecord.from_json(json.dumps(fields).encode())


@pytest.mark.parametrize("change", [{}, {"surprise": 1}])
def test_missing_and_unknown_fields_are_refused(change: dict[str, object]) -> None:
    fields = json.loads(RUN.to_json()) | change
    if not change:
        del fields["model"]
    with pytest.raises(ValueError, match=r"run\.json"):
        RunRecord.from_json(json.dumps(fields).encode())


def test_the_fingerprint_depends_on_values_and_not_on_order() -> None:
    assert fingerprint_of({"a": 1, "b": [2]}) == fingerprint_of({"b": [2], "a": 1})
    assert fingerprint_of({"a": 1}) != fingerprint_of({"a": 2})
    assert len(fingerprint_of({})) == 64


def test_parts_say_which_run_made_them() -> None:
    assert RUN.part_metadata() == {
        "run_id": "r1",
        "fingerprint": "print",
        "dataset": "masks",
        "options": {"canvas": [513, 513]},
        "model": {"reference": "m", "digest": "d", "labels": LABELS.to_dict()},
        "versions": {"beam-deeplab": "0"},
    }, "no path of the machine, and the labels once"
