"""``benchmarks/results.json``: what was measured last, by kind of host and benchmark.

Each benchmark's section says when, where and at which commit it was measured. The bars of a host
are those of one commit only, the one under ``commit``: figures of an earlier commit stay in their
sections until they are measured again. On top of the file stands what the host has that was
measured last.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.machine import describe_commit, describe_machine, describe_versions
from benchmarks.measurement import BARS, Measurement, Value

_WIDTH = 150
"""Of a table that goes to a file or a log."""

RESULTS = Path(__file__).with_name("results.json")


def record(measurement: Measurement, path: Path = RESULTS) -> None:
    """Adds a measurement to the file, in place of the benchmark's earlier one."""
    commit, dirty = describe_commit(RESULTS)
    section = {
        "commit": commit,
        "dirty": dirty,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": describe_machine(),
        "versions": describe_versions(),
        **asdict(measurement),
    }
    kept = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps(merged(kept, section), indent=2) + "\n")


def merged(results: dict[str, Any], section: dict[str, Any]) -> dict[str, Any]:
    """The file's new content.

    Args:
        results: The old content, empty at first.
        section: What was measured now.

    Returns:
        The record of the host of ``section`` but for its sections, and all records under
        ``hosts``.
    """
    hosts = {**results.get("hosts", {})}
    name = host_kind(section["machine"])
    hosts[name] = _with(hosts.get(name, {}), section)
    top = {key: value for key, value in hosts[name].items() if key != "benchmarks"}
    return {**top, "hosts": dict(sorted(hosts.items()))}


def host_kind(machine: Mapping[str, Any]) -> str:
    """What ratios depend on: the CPU, the instructions it is known to have, the number of cores."""
    return f"{machine['cores']} cores of {machine['cpu']} ({machine['cpu_features']})"


def _with(results: dict[str, Any], section: dict[str, Any]) -> dict[str, Any]:
    """A host's record with one more section.

    It has commit, date, machine and versions of ``section``, and the bars of all sections measured
    at that commit. A section without ratios leaves all but the sections as it was.
    """
    sections = {**results.get("benchmarks", {}), section["name"]: _rounded(section)}
    if results and not section["ratios"]:
        return {**results, "benchmarks": dict(sorted(sections.items()))}
    head = {key: section[key] for key in ("commit", "dirty", "date", "machine", "versions")}
    measured: dict[str, float | None] = {}
    for each in sections.values():
        if (each["commit"], each["dirty"]) == (section["commit"], section["dirty"]):
            measured.update(each["ratios"])
    bars = {name: measured[name] for name in BARS if name in measured}
    return {**head, **bars, "benchmarks": dict(sorted(sections.items()))}


def show(measurement: Measurement) -> None:
    """Prints a measurement as a table, its ratios and notes below."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=_WIDTH)
    table = Table(title=measurement.title, title_justify="left")
    columns = list(measurement.rows[0]) if measurement.rows else []
    for column in columns:
        numbers = all(isinstance(row[column], int | float | None) for row in measurement.rows)
        table.add_column(column, justify="right" if numbers else "left")
    for row in measurement.rows:
        table.add_row(*(_cell(row[column]) for column in columns))
    console.print(table)
    for name, ratio in measurement.ratios.items():
        console.print(f"[bold]{name}[/bold] {_cell(ratio)}", highlight=False)
    for note in measurement.notes:
        console.print(f"  {note}", highlight=False)


def _cell(value: Value) -> str:
    if value is None:
        return "-"
    return f"{value:,.4g}" if isinstance(value, float) and abs(value) < 1e4 else f"{value}"


def _rounded(value: Any) -> Any:
    """Six significant digits: more would only make differences between runs hard to read."""
    if isinstance(value, float):
        return float(f"{value:.6g}") if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _rounded(each) for key, each in value.items()}
    return [_rounded(each) for each in value] if isinstance(value, list) else value
