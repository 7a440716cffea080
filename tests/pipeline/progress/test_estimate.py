"""Progress: how far a run is, told from its plan and its rows."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beam_deeplab.pipeline.progress.estimate import (
    FOOTERS,
    DurableRows,
    RunProgress,
    Watcher,
    progress_of,
)
from beam_deeplab.transforms import storage
from beam_deeplab.transforms.runs.attempts import note_plan
from beam_deeplab.transforms.runs.sharding import Sharding
from tests.gcs_emulator import Gcs
from tests.plans import plan_shards
from tests.rows import plan_of, write_rows

pytest_plugins = ("tests.gcs_emulator",)

counts = st.integers(0, 10**9)


class Clock:
    """Time that a test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


MANIFEST = {"counts": {"planned": 4, "skipped": 0, "not_in_inputs": 0}}


@given(planned=counts, standing=counts, masks=counts, failures=counts)
def test_done_is_never_below_zero_nor_above_what_is_planned(
    planned: int, standing: int, masks: int, failures: int
) -> None:
    plan = {"planned": planned, "skipped": standing, "not_in_inputs": 0}
    progress = progress_of(plan, masks, failures)
    assert 0 <= progress.done <= planned
    if 0 <= masks + failures - standing <= planned:
        assert progress.done == masks + failures - standing
    assert progress.failures == failures


def _watch_a_run(output: str) -> None:
    clock = Clock()
    watcher = Watcher(output, clock)
    assert watcher.look() is None
    plan = plan_of(40, 10)
    note_plan(output, plan.summary())
    clock.now += 5
    assert watcher.look() == RunProgress(40, 0, 0)
    seen = []
    for index, shard in enumerate(plan.shards):
        clock.now += 10
        write_rows(output, shard, failed=["005.jpg"] if index == 0 else [])
        seen.append(watcher.look())
    assert seen == [
        RunProgress(40, 10, 1),
        RunProgress(40, 20, 1, rate=1.0, seconds_left=20.0),
        RunProgress(40, 30, 1, rate=1.0, seconds_left=10.0),
        RunProgress(40, 40, 1, rate=1.0, seconds_left=0.0),
    ]


def test_a_run_is_followed_from_its_plan_to_its_last_shard(tmp_path: Path) -> None:
    _watch_a_run(str(tmp_path / "out"))


def test_a_run_in_a_bucket_is_followed_with_few_requests(gcs: Gcs) -> None:
    output = gcs.uri("out")
    _watch_a_run(output)
    watcher = Watcher(output)
    note_plan(output, plan_of(40, 10).summary())
    watcher.look()
    before = len(gcs.server.requests)
    assert watcher.look() == RunProgress(40, 40, 1)
    assert [each.kind for each in gcs.server.requests[before:]] == ["list"] * 3


def test_a_resumed_run_counts_its_own_images_by_its_own_plan(tmp_path: Path) -> None:
    output = str(tmp_path)
    plan = plan_of(40, 10)
    for shard in plan.shards[:2]:
        write_rows(output, shard)
    (tmp_path / "manifest.json").write_text(json.dumps(MANIFEST))
    watcher = Watcher(output)
    assert watcher.look() is None
    rest = plan_shards(
        [ref for shard in plan.shards[1:] for ref in shard.refs],
        frozenset(plan.shards[1].refs),
        "print",
        Sharding(10),
    )
    note_plan(output, replace(rest.summary(), not_in_inputs=10))
    assert watcher.look() == RunProgress(20, 0, 0)
    write_rows(output, rest.shards[0])
    found = watcher.look()
    assert found is not None
    assert (found.planned, found.done) == (20, 10)


def test_a_run_that_ended_before_its_plan_was_seen_has_its_manifest(tmp_path: Path) -> None:
    watcher = Watcher(str(tmp_path))
    for shard in plan_of(4, 2).shards:
        write_rows(tmp_path, shard)
    (tmp_path / "manifest.json").write_text(json.dumps(MANIFEST))
    assert watcher.look() == RunProgress(4, 4, 0)


def test_rows_are_counted_as_shards_are_written_mended_and_removed(tmp_path: Path) -> None:
    first, second = plan_of(7, 4).shards
    masks, failures = ((DurableRows(str(tmp_path)), name) for name in ("masks", "failures"))
    assert masks[0].count("masks") == 0
    write_rows(tmp_path, first, failed=["001.jpg"])
    (tmp_path / "masks" / ".part-0.parquet.tmp").write_bytes(b"half")
    (tmp_path / "masks" / "mine.parquet").write_bytes(b"not ours")
    assert [rows.count(name) for rows, name in (masks, failures)] == [2, 1]
    write_rows(tmp_path, second)
    assert [rows.count(name) for rows, name in (masks, failures)] == [6, 1]
    write_rows(tmp_path, first)
    assert [rows.count(name) for rows, name in (masks, failures)] == [7, 0]
    (tmp_path / "masks" / f"part-{second.id}.parquet").unlink()
    assert masks[0].count("masks") == 3


def test_a_footer_is_read_once_and_a_broken_one_until_it_is_mended(tmp_path: Path) -> None:
    (shard,) = plan_of(3, 3).shards
    write_rows(tmp_path, shard)
    part = tmp_path / "masks" / f"part-{shard.id}.parquet"
    whole = part.read_bytes()
    rows = DurableRows(str(tmp_path))
    assert rows.count("masks") == 3
    part.write_bytes(bytes(len(whole)))
    assert rows.count("masks") == 3
    part.write_bytes(whole[:-1])
    assert rows.count("masks") == 0
    part.write_bytes(whole)
    assert rows.count("masks") == 3


def test_a_large_output_costs_a_listing_and_some_footers(tmp_path: Path) -> None:
    shards = plan_of(3 * FOOTERS, 2).shards
    for shard in shards:
        write_rows(tmp_path, shard)
    rows = DurableRows(str(tmp_path))
    opened = []
    open_seekable = storage.open_seekable

    def counted(uri: str) -> BinaryIO:
        opened.append(uri)
        return open_seekable(uri)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(storage, "open_seekable", counted)
        assert rows.count("masks") == 3 * FOOTERS
        assert len(opened) == FOOTERS < len(shards)
        assert rows.count("masks") == 3 * FOOTERS
        assert len(opened) == len(set(opened)) == len(shards)
