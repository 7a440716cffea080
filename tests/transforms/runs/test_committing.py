"""The commit adds up and every part stands, or there is no manifest and the culprit is named."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import apache_beam as beam
import duckdb
import pyarrow.parquet as pq
import pytest
from apache_beam import Pipeline

from beam_deeplab.transforms.records import ImageRef, Original, Part
from beam_deeplab.transforms.runs.commit_facts import CommitError
from beam_deeplab.transforms.runs.committing import CommitRun, seconds_between
from beam_deeplab.transforms.runs.manifest import Manifest, RunRecord
from beam_deeplab.transforms.runs.sharding import Sharding, slots_of
from beam_deeplab.transforms.runs.writing import write_shard
from tests.plans import Plan, commit_run, plan_run, plan_shards, standing_parts_of
from tests.rows import FACTS, RENDER_RUN, RUN, failure, rendering, segmentation, shard_rows


def _write(
    output: Path, images: int = 7, failed: Sequence[str] = ("2.jpg",)
) -> tuple[Plan, list[Part]]:
    refs = [ImageRef(f"{i}.jpg", "1") for i in range(images)]
    plan = plan_shards([*refs, refs[0]], (), RUN.fingerprint, Sharding(3))
    return plan, [
        part
        for shard in plan.shards
        for part in write_shard(str(output), shard.id, shard_rows(shard, failed), FACTS)
    ]


def _assert_refused(output: Path, plan: Plan, parts: list[Part], words: str) -> None:
    with pytest.raises(CommitError, match=words):
        commit_run(str(output), RUN, plan.summary(), parts)
    assert not (output / "manifest.json").exists()


def test_a_whole_output_is_committed(tmp_path: Path) -> None:
    plan, parts = _write(tmp_path)
    returned = commit_run(str(tmp_path), RUN, plan.summary(), parts)
    manifest = Manifest.from_json((tmp_path / "manifest.json").read_bytes())
    assert manifest == returned
    assert manifest.run_id == "r1"
    assert manifest.counts == {
        "inputs": 7,
        "duplicates": 1,
        "planned": 7,
        "skipped": 0,
        "masks": 6,
        "failures": 1,
        "total_masks": 6,
        "total_failures": 1,
        "not_in_inputs": 0,
        "discarded_parts": 0,
        "barely_seen": 0,
        "ignored_pixels": 0,
        "truncated": 0,
    }
    assert manifest.failures_by_code == {"CORRUPT": 1}
    assert manifest.class_pixels == {"class 0": 36, "dog": 24}
    assert manifest.genre_pixels == {"object": 36, "animal": 24}
    listed = pq.read_table(tmp_path / manifest.parts.file).to_pylist()
    assert {(part["path"], part["rows"], part["size"]) for part in listed} == {
        (part.path, part.rows, part.size) for part in parts
    }
    assert (manifest.parts.count, manifest.parts.size) == (
        len(listed),
        sum(p["size"] for p in listed),
    )
    assert manifest.writers == [
        {"model": {"reference": "m", "digest": "d"}, "versions": RUN.versions, "parts": len(parts)}
    ]
    assert manifest.seconds > 0


def test_a_commit_can_be_retried(tmp_path: Path) -> None:
    plan, parts = _write(tmp_path)
    first = commit_run(str(tmp_path), RUN, plan.summary(), parts)
    again = commit_run(str(tmp_path), RUN, plan.summary(), parts)
    assert replace(again, committed=first.committed, seconds=first.seconds) == first


@pytest.mark.parametrize("dataset", ["masks", "failures"])
def test_a_deleted_part_is_named(tmp_path: Path, dataset: str) -> None:
    plan, parts = _write(tmp_path)
    victim = next(part for part in parts if part.dataset == dataset)
    (tmp_path / victim.path).unlink()
    _assert_refused(tmp_path, plan, parts, victim.path)


def test_a_truncated_part_is_named(tmp_path: Path) -> None:
    plan, parts = _write(tmp_path)
    path = tmp_path / parts[0].path
    path.write_bytes(path.read_bytes()[:-10])
    _assert_refused(tmp_path, plan, parts, parts[0].path)


def test_a_truncated_part_of_earlier_work_is_named(tmp_path: Path) -> None:
    plan, parts = _write(tmp_path)
    path = tmp_path / parts[0].path
    path.write_bytes(path.read_bytes()[:-10])
    other = [part for part in parts if part.shard != parts[0].shard]
    _assert_refused(tmp_path, plan, other, parts[0].shard)


def test_a_shard_that_wrote_nothing_is_named(tmp_path: Path) -> None:
    plan, parts = _write(tmp_path)
    silent = plan.shards[-1].id
    for part in parts:
        if part.shard == silent:
            (tmp_path / part.path).unlink()
    others = [part for part in parts if part.shard != silent]
    _assert_refused(tmp_path, plan, others, "7 planned, but")


def test_an_image_in_two_rows_is_named(tmp_path: Path) -> None:
    plan, parts = _write(tmp_path)
    (stray,) = plan_shards([ImageRef("4.jpg", "2")], (), RUN.fingerprint, Sharding(1)).shards
    list(write_shard(str(tmp_path), stray.id, shard_rows(stray), FACTS))
    _assert_refused(tmp_path, plan, parts, "more than one row: 4.jpg")


def test_counts_that_do_not_add_up_are_refused(tmp_path: Path) -> None:
    plan, parts = _write(tmp_path)
    summary = replace(plan.summary(), inputs=8)
    with pytest.raises(CommitError, match="8 inputs, but 7 planned"):
        commit_run(str(tmp_path), RUN, summary, parts)


def test_files_that_are_not_ours_are_left_alone(tmp_path: Path) -> None:
    plan, parts = _write(tmp_path)
    for name in (".part-dot.parquet", "notes.txt", "part-12.parquet"):
        (tmp_path / "masks" / name).write_bytes(b"mine")
    commit_run(str(tmp_path), RUN, plan.summary(), parts)
    assert (tmp_path / "masks" / "notes.txt").read_bytes() == b"mine"


def test_the_commit_is_a_step_of_the_pipeline(tmp_path: Path) -> None:
    plan, parts = _write(tmp_path)
    with Pipeline(runner="FnApiRunner") as pipeline:
        records = pipeline | "Parts" >> beam.Create([*parts, parts[0]])
        summary = pipeline | "Summary" >> beam.Create([plan.summary()])
        (records, summary) | CommitRun(str(tmp_path), RUN)
    assert (tmp_path / "manifest.json").exists()


def test_pictures_of_which_little_is_left_are_counted(tmp_path: Path) -> None:
    """A panorama of 6000 x 294 that was seen at 513 x 25; a thumbnail of 30 x 20 was all there."""
    plan, _ = _write(tmp_path, images=4, failed=())
    originals = (
        Original(294, 6000, scale=513 / 6000),
        Original(20, 30),
        Original(3000, 4000, scale=513 / 4000),
        Original(300, 400, truncated=True),
    )
    rows = {
        f"{index}.jpg": replace(segmentation(ImageRef(f"{index}.jpg", "1")), original=original)
        for index, original in enumerate(originals)
    }
    parts = [
        part
        for shard in plan.shards
        for part in write_shard(
            str(tmp_path), shard.id, [rows[ref.uri] for ref in shard.refs], FACTS
        )
    ]
    counts = commit_run(str(tmp_path), RUN, plan.summary(), parts).counts
    assert (counts["barely_seen"], counts["truncated"]) == (1, 1)


def test_what_earlier_versions_wrote_is_listed(tmp_path: Path) -> None:
    plan, parts = _write(tmp_path, failed=())
    older = {**FACTS, "versions": {"beam-deeplab": "older"}}
    first = plan.shards[0]
    list(write_shard(str(tmp_path), first.id, shard_rows(first), older))
    parts = standing_parts_of(tmp_path)
    manifest = commit_run(str(tmp_path), RUN, plan.summary(), parts)
    assert [(w["versions"]["beam-deeplab"], w["parts"]) for w in manifest.writers] == [
        ("0", len(parts) - 1),
        ("older", 1),
    ]


def test_failures_can_be_queried_whether_there_are_any_or_not(tmp_path: Path) -> None:
    for failed in ((), ("2.jpg",), ()):
        plan, parts = _write(tmp_path, failed=failed)
        commit_run(str(tmp_path), RUN, plan.summary(), parts)
        query = f"select image_uri from '{tmp_path}/failures/*.parquet'"
        assert [uri for (uri,) in duckdb.sql(query).fetchall()] == list(failed)


def test_a_clock_that_was_set_back_gives_no_negative_time() -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    assert seconds_between("2026-01-03T00:00:00.000+00:00", now) == 0
    assert seconds_between("2025-12-31T23:59:00.000+00:00", now) == 60


def test_a_run_of_renders_is_planned_resumed_and_committed_as_one_of_masks(tmp_path: Path) -> None:
    refs = [ImageRef(f"{i}.jpg", "1") for i in range(5)]
    output = str(tmp_path)

    def work(run: RunRecord) -> Manifest:
        shards, summary = plan_run(output, refs, run, Sharding(2))
        parts: list[Part] = []
        for shard in shards:
            rows = [
                failure(ref, slot)
                if ref.uri == failing
                else rendering(ref, slot, "none" if ref.uri == "0.jpg" else "redact")
                for ref, slot in slots_of(shard)
            ]
            parts += write_shard(output, shard.id, rows, run.part_metadata())
        return commit_run(output, run, summary, parts)

    failing = "3.jpg"
    first = work(RENDER_RUN)
    assert first.dataset == "renders"
    assert first.counts["total_renders"] == first.counts["renders"] == 4
    assert (first.counts["unchanged"], first.counts["total_failures"]) == (1, 1)
    assert first.tables.keys() == {"images"}
    failing = ""
    second = work(RENDER_RUN)
    assert (second.counts["planned"], second.counts["skipped"]) == (1, 4)
    assert (second.counts["total_renders"], second.counts["total_failures"]) == (5, 0)
    images = pq.read_table(tmp_path / "images").to_pylist()
    assert [(row["image_uri"], row["status"], row["effect"]) for row in images] == [
        (ref.uri, "done", "none" if ref.uri == "0.jpg" else "redact") for ref in refs
    ]
    assert {row["subject_fraction"] for row in images} == {0.25}
    card = (tmp_path / "README.md").read_text()
    assert "renders/*.parquet\n  default: true" in card
    assert "5 renders and 0 failures" in card
