from __future__ import annotations

from dataclasses import replace

import pytest

from beam_deeplab.pipeline.progress.training import TrainingProgress, checking, describe_epoch
from tests.deeplab.training.test_state import record


@pytest.mark.parametrize(
    ("miou", "words"),
    [
        (0.87654, "epoch 3 of 9, loss 0.5000, mIoU 0.8765, 20.0 images/s"),
        (None, "epoch 3 of 9, loss 0.5000, 20.0 images/s"),
    ],
)
def test_an_epoch_is_one_line(miou: float | None, words: str) -> None:
    assert describe_epoch(record(3, miou), 9) == words


def _show(*, quiet: bool) -> None:
    with checking(2, quiet=quiet) as seen:
        seen(2)
    with TrainingProgress(quiet=quiet) as progress:
        progress.began(20, 10, (record(1, 0.5),), 2)
        for _ in range(10):
            progress.stepped(0.4, 4)
        progress.validated(replace(record(2, 0.6), loss=0.25))


def test_without_a_terminal_there_is_a_line_an_epoch(capsys: pytest.CaptureFixture[str]) -> None:
    _show(quiet=False)
    captured = capsys.readouterr()
    assert captured.err.splitlines() == [
        "resumed behind epoch 1 of 2",
        "epoch 2 of 2, loss 0.2500, mIoU 0.6000, 20.0 images/s",
    ]
    assert captured.out == ""


def test_without_a_terminal_a_line_now_and_then_says_what_is_left(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with TrainingProgress(quiet=False, line_seconds=0) as progress:
        progress.began(2000, 1000, (), 2)
        for _ in range(3):
            progress.stepped(0.4, 4)
    lines = capsys.readouterr().err.splitlines()
    # The first step builds the graph, and tells no rate.
    assert [line.partition(",")[0] for line in lines] == ["step 1", "step 1"]
    assert lines[-1].startswith("step 1,003 of 2,000, loss 0.4000, ")
    assert lines[-1].endswith(" s left")


def test_quiet_is_quiet(capsys: pytest.CaptureFixture[str]) -> None:
    _show(quiet=True)
    assert capsys.readouterr() == ("", "")


def test_on_a_terminal_there_is_a_bar(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    _show(quiet=False)
    shown = capsys.readouterr().err
    for words in ("checking the data", "2/2", "loss 0.4000", "images/s", "20/20", "mIoU 0.6000"):
        assert words in shown
