"""``benchmarks/results.json``: what was measured last, by benchmark, and the bars on top.

Each benchmark's section says when, where and at which commit it was measured. The ratios on top
are those of one commit only, the one under ``commit``: figures of an earlier commit stay in their
sections until they are measured again, and leave the top.
"""

from __future__ import annotations

import json
import math
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
        Commit, date, machine and versions of ``section``; the bars of all sections measured at
        that commit; and all sections under ``benchmarks``. A section without ratios leaves what
        is on top as it was.
    """
    sections = {**results.get("benchmarks", {}), section["name"]: _rounded(section)}
    if results and not section["ratios"]:
        return {**results, "benchmarks": dict(sorted(sections.items()))}
    head = {key: section[key] for key in ("commit", "dirty", "date", "machine", "versions")}
    measured: dict[str, float] = {}
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
        console.print(f"[bold]{name}[/bold] {ratio:.4g}", highlight=False)
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
