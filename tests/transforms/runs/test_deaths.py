"""What a note tells of the process that it has outlived."""

from __future__ import annotations

from pathlib import Path

import pytest

from beam_deeplab.transforms.runs import deaths
from beam_deeplab.transforms.runs.deaths import circumstances, ended_by_itself


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a machine says how many processes it ended for want of memory, and which boot it is."""
    monkeypatch.setattr(deaths, "_OOM_VICTIMS", tmp_path / "vmstat")
    monkeypatch.setattr(deaths, "_BOOT", tmp_path / "boot_id")
    (tmp_path / "vmstat").write_text("pgfault 123\noom_kill 4\n")
    (tmp_path / "boot_id").write_text("one\n")
    return tmp_path


def test_a_crash_has_left_its_traceback() -> None:
    assert ended_by_itself(circumstances() + b"Fatal Python error: Segmentation fault\n")


def test_a_death_of_which_nothing_is_left_is_not_its_own() -> None:
    assert not ended_by_itself(circumstances())
    assert not ended_by_itself(b"")
    assert not ended_by_itself(b"[1]\n")


def test_the_system_counts_whom_it_ended_for_want_of_memory(machine: Path) -> None:
    note = circumstances()
    assert not ended_by_itself(note)
    (machine / "vmstat").write_text("pgfault 125\noom_kill 5\n")
    assert ended_by_itself(note)


def test_another_boot_tells_nothing(machine: Path) -> None:
    note = circumstances()
    (machine / "vmstat").write_text("oom_kill 5\n")
    (machine / "boot_id").write_text("two\n")
    assert not ended_by_itself(note)


def test_a_machine_that_counts_nothing_tells_nothing(machine: Path) -> None:
    (machine / "vmstat").unlink()
    (machine / "boot_id").unlink()
    assert not ended_by_itself(circumstances())


def test_this_machine_counts() -> None:
    if not Path("/proc/vmstat").exists():
        pytest.skip("only Linux counts")
    assert b"null" not in circumstances()
