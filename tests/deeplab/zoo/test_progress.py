"""The bar: drawn on a terminal, and nowhere else."""

from __future__ import annotations

import io
import sys

import pytest

from beam_deeplab.deeplab.zoo.progress import terminal_bar


class Terminal(io.StringIO):
    """A terminal that remembers what was written."""

    def isatty(self) -> bool:
        return True


def test_bar_is_drawn_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    with terminal_bar("xception65", 1000) as received:
        received(500)
    assert "xception65" in terminal.getvalue()
    assert "0.5/1.0 kB" in terminal.getvalue()


def test_nothing_is_written_where_no_terminal_is(monkeypatch: pytest.MonkeyPatch) -> None:
    log = io.StringIO()
    monkeypatch.setattr(sys, "stderr", log)
    with terminal_bar("model", None) as received:
        received(1)
    assert log.getvalue() == ""
