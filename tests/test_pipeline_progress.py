"""Progress: what is durable, how fast it grows, and what is shown of it."""

from __future__ import annotations

import io
import json
import shutil
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.durable_rows import DurableRows
from pipeline.progress import (
    RunProgress,
    Watcher,
    Work,
    describe_progress,
    describe_seconds,
    progress_of,
    watch,
)
from pipeline.rate import Rate
from tests.gcs_emulator import Gcs
from tests.rows import shard_rows
from transforms import storage
from transforms.records import ImageRef, Shard
from transforms.sink.attempts import note_plan
from transforms.sink.writing import write_shard
from transforms.sources.sharding import Plan, plan_shards

pytest_plugins = ("tests.gcs_emulator",)

counts = st.integers(0, 10**9)


def _plan(images: int, size: int) -> Plan:
    refs = [ImageRef(f"{index:03}.jpg", "1") for index in range(images)]
    return plan_shards(refs, (), "print", shard_size=size)


def _write(output: str | Path, shard: Shard, failed: Sequence[str] = ()) -> None:
    list(write_shard(str(output), shard.id, shard_rows(shard, failed), {}))


class Clock:
    """Time that a test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Screen(io.StringIO):
    """Standard error that tells when it has shown something."""

    def __init__(self, awaited: str = "", *, is_terminal: bool = False) -> None:
        super().__init__()
        self.shown = threading.Event()
        self._awaited = awaited
        self._is_terminal = is_terminal

    def write(self, text: str) -> int:
        length = super().write(text)
        if self._awaited in self.getvalue():
            self.shown.set()
        return length

    def isatty(self) -> bool:
        return self._is_terminal


@pytest.mark.parametrize(
    ("progress", "line"),
    [
        (None, "listing and planning"),
        (RunProgress(10_000, 0, 0), "0 of 10,000 images"),
        (
            RunProgress(10_000, 1234, 3, 41.23, 212.7),
            "1,234 of 10,000 images, 41.2 images/s, 3 failures, 3 min 33 s left",
        ),
        (
            RunProgress(1, 0, 1, 0.0123, 81.0),
            "0 of 1 image, 0.012 images/s, 1 failure, 1 min 21 s left",
        ),
        (
            RunProgress(9, 9, 0, 1234.56, 0.0),
            "9 of 9 images, 1,234.6 images/s, checking and committing",
        ),
    ],
)
def test_one_line_says_it_all(progress: RunProgress | None, line: str) -> None:
    assert describe_progress(progress) == line


def test_the_last_line_promises_nothing() -> None:
    assert describe_progress(RunProgress(9, 9, 1, 2.0, 0.0), ended=True) == (
        "9 of 9 images, 2.0 images/s, 1 failure"
    )
    assert describe_progress(RunProgress(9, 5, 0, 2.0, 2.0), ended=True) == (
        "5 of 9 images, 2.0 images/s"
    )


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 s"),
        (59.4, "59 s"),
        (59.6, "1 min 0 s"),
        (3599.4, "59 min 59 s"),
        (3599.7, "1 h 0 min"),
        (7500, "2 h 5 min"),
        (86399, "24 h 0 min"),
        (86400 + 3599, "1 d 1 h"),
        (1000 * 86400, "1,000 d 0 h"),
    ],
)
def test_durations_carry_into_the_larger_unit(seconds: float, words: str) -> None:
    assert describe_seconds(seconds) == words


@given(planned=counts, standing=counts, masks=counts, failures=counts)
def test_done_is_never_below_zero_nor_above_what_is_planned(
    planned: int, standing: int, masks: int, failures: int
) -> None:
    progress = progress_of(Work(planned, standing), masks, failures)
    assert 0 <= progress.done <= planned
    if 0 <= masks + failures - standing <= planned:
        assert progress.done == masks + failures - standing
    assert progress.failures == failures


def _rate(*changes: tuple[float, int]) -> Rate:
    rate = Rate()
    for now, done in changes:
        rate.add(now, done)
    return rate


def test_start_up_is_no_part_of_the_rate() -> None:
    slow_start = [(0.0, 0), (60.0, 0), (100.0, 0)]
    work = [(100.0 + 10 * step, 50 * step) for step in range(1, 6)]
    rate = _rate(*slow_start, *work)
    assert rate.per_second(150) == 5
    assert rate.seconds_for(100, 150) == 20
    assert rate.seconds_for(100, 154) == 16


def test_there_is_no_rate_before_two_bursts() -> None:
    assert _rate().per_second(0) is None
    assert _rate((0, 0), (5, 0)).per_second(9) is None
    assert _rate((0, 0), (30, 64), (30.3, 128)).per_second(45) is None
    assert _rate((0, 0), (30, 64)).seconds_for(10, 31) is None


def test_workers_that_finish_together_are_one_burst() -> None:
    rate = _rate((0, 0), (30, 64), (30.5, 128), (60, 192), (60.5, 256), (90, 320), (90.5, 384))
    assert rate.per_second(90.5) == pytest.approx((384 - 128) / 60)


def test_the_rate_is_that_of_the_last_two_minutes() -> None:
    fast = [(float(second), 100 * second) for second in range(0, 300, 10)]
    slow = [(300.0 + second, 29_000 + second) for second in range(0, 300, 10)]
    rate = _rate(*fast, *slow)
    assert rate.per_second(590) == pytest.approx(1, rel=0.01)


def test_a_run_that_stands_still_slows_down() -> None:
    rate = _rate((0, 0), (10, 100), (20, 200), (30, 300))
    assert rate.per_second(30) == rate.per_second(40) == 10
    assert rate.per_second(60) == 5


def test_the_rate_begins_anew_where_rows_are_taken_away() -> None:
    rate = _rate((0, 0), (10, 100), (20, 200), (30, 50))
    assert rate.per_second(30) is None
    rate.add(40, 60)
    assert rate.per_second(40) == 1


def test_rows_are_counted_as_shards_are_written_mended_and_removed(tmp_path: Path) -> None:
    first, second = _plan(7, 4).shards
    masks, failures = ((DurableRows(str(tmp_path)), name) for name in ("masks", "failures"))
    assert masks[0].count("masks") == 0
    _write(tmp_path, first, failed=["001.jpg"])
    (tmp_path / "masks" / ".part-0.parquet.tmp").write_bytes(b"half")
    (tmp_path / "masks" / "mine.parquet").write_bytes(b"not ours")
    assert [rows.count(name) for rows, name in (masks, failures)] == [3, 1]
    _write(tmp_path, second)
    assert [rows.count(name) for rows, name in (masks, failures)] == [6, 1]
    _write(tmp_path, first)
    assert [rows.count(name) for rows, name in (masks, failures)] == [7, 0]
    (tmp_path / "masks" / f"part-{second.id}.parquet").unlink()
    assert masks[0].count("masks") == 4


def test_a_footer_is_read_once_and_a_broken_one_until_it_is_mended(tmp_path: Path) -> None:
    (shard,) = _plan(3, 3).shards
    _write(tmp_path, shard)
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


def test_a_count_that_is_called_off_leaves_out_what_it_has_not_read(tmp_path: Path) -> None:
    (shard,) = _plan(3, 3).shards
    _write(tmp_path, shard)
    rows = DurableRows(str(tmp_path))
    assert rows.count("masks", lambda: True) == 0
    assert rows.count("masks") == 3


def _watch_a_run(output: str) -> None:
    clock = Clock()
    watcher = Watcher(output, clock)
    assert watcher.look() is None
    plan = _plan(40, 10)
    note_plan(output, plan.summary())
    clock.now += 5
    assert watcher.look() == RunProgress(40, 0, 0)
    seen = []
    for index, shard in enumerate(plan.shards):
        clock.now += 10
        _write(output, shard, failed=["005.jpg"] if index == 0 else [])
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
    note_plan(output, _plan(40, 10).summary())
    watcher.look()
    before = len(gcs.server.requests)
    assert watcher.look() == RunProgress(40, 40, 1)
    assert [each.kind for each in gcs.server.requests[before:]] == ["list", "list"]


def test_a_resumed_run_counts_its_own_images_by_its_own_plan(tmp_path: Path) -> None:
    output = str(tmp_path)
    plan = _plan(40, 10)
    note_plan(output, plan.summary())
    for shard in plan.shards[:2]:
        _write(output, shard)
    watcher = Watcher(output)
    assert watcher.look() is None
    rest = plan_shards(
        [ref for shard in plan.shards[1:] for ref in shard.refs],
        frozenset(plan.shards[1].refs),
        "print",
        shard_size=10,
    )
    note_plan(output, rest.summary(not_in_inputs=10))
    assert watcher.look() == RunProgress(20, 0, 0)
    _write(output, rest.shards[0])
    found = watcher.look()
    assert found is not None
    assert (found.planned, found.done) == (20, 10)


def test_a_run_that_ended_before_its_plan_was_seen_has_its_manifest(tmp_path: Path) -> None:
    watcher = Watcher(str(tmp_path))
    for shard in _plan(4, 2).shards:
        _write(tmp_path, shard)
    committed = {"counts": {"planned": 4, "skipped": 0, "not_in_inputs": 0}}
    (tmp_path / "manifest.json").write_text(json.dumps(committed))
    assert watcher.look() == RunProgress(4, 4, 0)


def test_lines_follow_a_run_and_the_last_is_exact(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = _plan(7, 4)
    screen = Screen("4 of 7 images, 1 failure\n")
    monkeypatch.setattr(sys, "stderr", screen)
    with watch(str(tmp_path), quiet=False, seconds=0.01, line_seconds=0):
        note_plan(str(tmp_path), plan.summary())
        _write(tmp_path, plan.shards[0], failed=["000.jpg"])
        assert screen.shown.wait(60)
        _write(tmp_path, plan.shards[1])
    lines = screen.getvalue().splitlines()
    assert lines[-1].startswith("7 of 7 images")
    assert lines[-1].endswith("1 failure")


def test_between_lines_nothing_is_shown_but_the_end_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = _plan(3, 3)
    with watch(str(tmp_path), quiet=False):
        note_plan(str(tmp_path), plan.summary())
        _write(tmp_path, plan.shards[0])
    assert capsys.readouterr().err == "3 of 3 images\n"


def test_rows_of_another_dataset_count_and_an_end_that_the_output_no_longer_shows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = _plan(7, 4)
    screen = Screen("4 of 7 images")
    monkeypatch.setattr(sys, "stderr", screen)
    end = RunProgress(7, 7, 2)
    with watch(
        str(tmp_path), quiet=False, results="scores", end=lambda: end, seconds=0.01, line_seconds=0
    ):
        note_plan(str(tmp_path), plan.summary())
        _write(tmp_path, plan.shards[0])
        (tmp_path / "masks").rename(tmp_path / "scores")
        assert screen.shown.wait(60)
        shutil.rmtree(tmp_path / "scores")
    assert screen.getvalue().splitlines()[-1].startswith("7 of 7 images")
    assert screen.getvalue().endswith("2 failures\n")


def test_a_bar_is_drawn_on_a_terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = _plan(7, 4)
    screen = Screen("4 of 7 images", is_terminal=True)
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    with watch(str(tmp_path), quiet=False, seconds=0.01):
        note_plan(str(tmp_path), plan.summary())
        _write(tmp_path, plan.shards[0])
        assert screen.shown.wait(60)
        _write(tmp_path, plan.shards[1])
    assert "7 of 7 images" in screen.getvalue()
    assert "━" in screen.getvalue()


def test_a_terminal_that_cannot_be_drawn_on_gets_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    screen = Screen(is_terminal=True)
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setenv("TERM", "dumb")
    with watch(str(tmp_path), quiet=False):
        note_plan(str(tmp_path), _plan(3, 3).summary())
    assert screen.getvalue() == "0 of 3 images\n"


def test_quiet_shows_nothing_and_starts_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    threads = threading.active_count()
    with watch(str(tmp_path), quiet=True, seconds=0.01, line_seconds=0):
        assert threading.active_count() == threads
    assert capsys.readouterr().err == ""


def test_a_run_that_fails_shows_how_far_it_was_and_fails_as_it_would(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = _plan(7, 4)
    screen = Screen("4 of 7 images\n")
    monkeypatch.setattr(sys, "stderr", screen)

    @watch(str(tmp_path), quiet=False, seconds=0.01, line_seconds=0)
    def interrupted() -> None:
        note_plan(str(tmp_path), plan.summary())
        _write(tmp_path, plan.shards[0])
        assert screen.shown.wait(60)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert screen.getvalue().endswith("4 of 7 images\n")


def test_a_run_that_fails_before_its_plan_shows_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ZeroDivisionError), watch(str(tmp_path), quiet=False):
        raise ZeroDivisionError
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("plan", [b"{", b"{}", b'{"planned": "a", "skipped": 0}'])
def test_a_plan_that_cannot_be_understood_harms_nobody(
    tmp_path: Path, plan: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    with watch(str(tmp_path), quiet=False, seconds=0.01):
        storage.write_atomically(str(tmp_path / "attempts" / "plan.json"), plan)
    assert capsys.readouterr().err == ""


def test_an_output_that_cannot_be_listed_harms_nobody(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "masks").write_bytes(b"a file, not a folder")
    ended = []
    with watch(str(tmp_path), quiet=False, seconds=0.01):
        note_plan(str(tmp_path), _plan(3, 3).summary())
        ended.append(True)
    assert ended == [True]
    assert capsys.readouterr().err == ""


def test_an_output_that_nobody_can_look_at_harms_nobody(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with watch("nowhere://bucket/out", quiet=False, seconds=0.01):
        pass
    assert capsys.readouterr().err == ""


def test_a_screen_that_is_gone_harms_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    screen = Screen()
    screen.close()
    monkeypatch.setattr(sys, "stderr", screen)
    with watch(str(tmp_path), quiet=False, seconds=0.01, line_seconds=0):
        note_plan(str(tmp_path), _plan(3, 3).summary())
