from __future__ import annotations

import os
from pathlib import Path

import pytest

from beam_deeplab.deeplab.engines import available_cores, cores


@pytest.fixture
def control_group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine of eight cores whose control group is in this folder."""
    monkeypatch.setattr(cores, "_CGROUP_V2", tmp_path / "cpu.max")
    monkeypatch.setattr(cores, "_CGROUP_V1", tmp_path)
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(8)), raising=False)
    return tmp_path


@pytest.mark.parametrize(
    ("limit", "expected"),
    [
        ("max 100000", 8),
        ("200000 100000", 2),
        ("250000 100000", 3),
        ("5000 100000", 1),
        ("6400000 100000", 8),
        ("damaged", 8),
    ],
)
def test_a_containers_quota_counts(control_group: Path, limit: str, expected: int) -> None:
    (control_group / "cpu.max").write_text(f"{limit}\n")
    assert available_cores() == expected


@pytest.mark.parametrize(("quota", "expected"), [("-1", 8), ("400000", 4), ("50000", 1)])
def test_a_quota_of_the_first_version(control_group: Path, quota: str, expected: int) -> None:
    (control_group / "cpu.cfs_quota_us").write_text(f"{quota}\n")
    (control_group / "cpu.cfs_period_us").write_text("100000\n")
    assert available_cores() == expected


def test_without_control_groups_the_scheduler_decides(control_group: Path) -> None:
    assert available_cores() == 8


def test_this_process_has_a_core() -> None:
    assert 1 <= available_cores() <= (os.cpu_count() or 1)
