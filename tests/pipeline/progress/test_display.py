"""What is shown of progress: words, lines, a bar, and never an error."""

from __future__ import annotations

import io
import sys
import threading
from pathlib import Path

import pytest

from beam_deeplab.pipeline.progress.display import describe_progress, describe_seconds, watch
from beam_deeplab.pipeline.progress.estimate import RunProgress
from beam_deeplab.transforms import storage
from beam_deeplab.transforms.runs.attempts import note_plan
from tests.rows import plan_of, write_rows


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


def test_lines_follow_a_run_and_the_last_is_exact(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = plan_of(7, 4)
    screen = Screen("3 of 7 images, 1 failure\n")
    monkeypatch.setattr(sys, "stderr", screen)
    with watch(str(tmp_path), quiet=False, seconds=0.01, line_seconds=0):
        note_plan(str(tmp_path), plan.summary())
        write_rows(tmp_path, plan.shards[0], failed=["000.jpg"])
        assert screen.shown.wait(60)
        write_rows(tmp_path, plan.shards[1])
    lines = screen.getvalue().splitlines()
    assert lines[-1].startswith("7 of 7 images")
    assert lines[-1].endswith("1 failure")


def test_between_lines_nothing_is_shown_but_the_end_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = plan_of(3, 3)
    with watch(str(tmp_path), quiet=False):
        note_plan(str(tmp_path), plan.summary())
        write_rows(tmp_path, plan.shards[0])
    assert capsys.readouterr().err == "3 of 3 images\n"


def test_a_bar_is_drawn_on_a_terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = plan_of(7, 4)
    screen = Screen("3 of 7 images", is_terminal=True)
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    with watch(str(tmp_path), quiet=False, seconds=0.01):
        note_plan(str(tmp_path), plan.summary())
        write_rows(tmp_path, plan.shards[0])
        assert screen.shown.wait(60)
        write_rows(tmp_path, plan.shards[1])
    assert "7 of 7 images" in screen.getvalue()
    assert "━" in screen.getvalue()


def test_a_terminal_that_cannot_be_drawn_on_gets_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    screen = Screen(is_terminal=True)
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setenv("TERM", "dumb")
    with watch(str(tmp_path), quiet=False):
        note_plan(str(tmp_path), plan_of(3, 3).summary())
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
    plan = plan_of(7, 4)
    screen = Screen("3 of 7 images\n")
    monkeypatch.setattr(sys, "stderr", screen)

    @watch(str(tmp_path), quiet=False, seconds=0.01, line_seconds=0)
    def interrupted() -> None:
        note_plan(str(tmp_path), plan.summary())
        write_rows(tmp_path, plan.shards[0])
        assert screen.shown.wait(60)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert screen.getvalue().endswith("3 of 7 images\n")


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
        note_plan(str(tmp_path), plan_of(3, 3).summary())
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
        note_plan(str(tmp_path), plan_of(3, 3).summary())
