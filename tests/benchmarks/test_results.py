"""What the benchmarks' file says after several measurements."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from benchmarks.machine import describe_machine
from benchmarks.measurement import BARS, Measurement
from benchmarks.results import merged, record

MACHINE = {"cores": 2, "cpu": "Ours", "cpu_features": "avx2"}
HOST = "2 cores of Ours (avx2)"


def _section(
    name: str, commit: str, *, dirty: bool = False, cpu: str = "Ours", **ratios: float | None
) -> dict[str, Any]:
    return {
        "name": name,
        "commit": commit,
        "dirty": dirty,
        "date": "2026-01-01",
        "machine": {**MACHINE, "cpu": cpu},
        "versions": {},
        "ratios": ratios,
        "rows": [{"images/s": 1.23456789}],
    }


def test_the_bars_of_one_commit_stand_on_top_and_of_an_earlier_one_only_in_their_section() -> None:
    results = merged({}, _section("engine", "a", engine_ratio=1.5))
    results = merged(results, _section("small", "a", small_ratio=1.6, other=3.0))
    assert (results["engine_ratio"], results["small_ratio"]) == (1.5, 1.6)
    assert "other" not in results

    results = merged(results, _section("small", "b", small_ratio=1.7))
    assert results["commit"] == "b"
    assert results["small_ratio"] == 1.7
    assert "engine_ratio" not in results
    assert results["hosts"][HOST]["benchmarks"]["engine"]["ratios"] == {"engine_ratio": 1.5}
    assert results["hosts"][HOST]["benchmarks"]["engine"]["rows"] == [{"images/s": 1.23457}]


def test_what_has_no_bars_leaves_those_on_top() -> None:
    results = merged({}, _section("engine", "a", engine_ratio=1.5))
    later = merged(results, _section("metadata", "b"))
    assert (later["commit"], later["engine_ratio"]) == ("a", 1.5)
    assert later["hosts"][HOST]["benchmarks"]["metadata"]["commit"] == "b"


def test_each_kind_of_host_keeps_its_own_record_and_what_it_cannot_give_is_null() -> None:
    results = merged({}, _section("engine", "a", engine_ratio=1.5, engine_ratio_bf16=None))
    assert results["engine_ratio_bf16"] is None
    other = merged(results, _section("engine", "a", cpu="Theirs", engine_ratio=2.5))
    assert other["engine_ratio"] == 2.5
    assert other["machine"]["cpu"] == "Theirs"
    assert other["hosts"].keys() == {HOST, HOST.replace("Ours", "Theirs")}
    assert other["hosts"][HOST] == results["hosts"][HOST]
    assert other["hosts"][HOST]["engine_ratio"] == 1.5


def test_figures_of_a_changed_tree_do_not_mix_with_those_of_its_commit() -> None:
    results = merged({}, _section("engine", "a", engine_ratio=1.5))
    results = merged(results, _section("small", "a", dirty=True, small_ratio=1.6))
    assert results["dirty"]
    assert "engine_ratio" not in results


def test_the_file_names_machine_commit_and_versions_and_no_path(tmp_path: Path) -> None:
    file = tmp_path / "results.json"
    record(Measurement("engine", "Engines", [{"images/s": 2.0}], {"engine_ratio": 1.5}), file)
    text = file.read_text()
    results = json.loads(text)
    assert results["engine_ratio"] == 1.5
    assert results["machine"] == describe_machine()
    assert results["versions"]["numpy"]
    assert {"commit", "dirty", "date"} <= results.keys()
    for path in (tmp_path, Path.home(), Path(__file__).parents[2]):
        assert str(path) not in text


def test_all_bars_have_an_owner() -> None:
    folder = Path(__file__).parents[2] / "benchmarks"
    sources = {file.name: file.read_text() for file in folder.glob("*.py")}
    del sources["measurement.py"]
    for bar in BARS:
        wall = bar.removesuffix("_cpu")  # the same one's CPU time
        assert any(f'"{wall}"' in source for source in sources.values()), bar
