"""The directive ``results``: each benchmark's rows as a table, from ``benchmarks/results.json``."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

RESULTS = Path(__file__).parents[2] / "benchmarks" / "results.json"


class Results(SphinxDirective):
    """A section for each benchmark: its rows, its notes, the commit and the machine."""

    def run(self) -> list[nodes.Node]:
        """Builds the nodes."""
        self.env.note_dependency(str(RESULTS))
        return [
            _section(result, f"host-{number}-{name}")
            for number, host in enumerate(json.loads(RESULTS.read_text())["hosts"].values())
            for name, result in host["benchmarks"].items()
        ]


def _section(result: Mapping[str, Any], label: str) -> nodes.section:
    section = nodes.section("", nodes.title(text=result["title"]), ids=[label])
    machine = result["machine"]
    section += nodes.paragraph(
        text=f"python -m benchmarks.{result['name']}, commit {result['commit'][:7]}, "
        f"{machine['cores']} cores of {machine['cpu']} ({machine['cpu_features']})."
    )
    section += _table(result["rows"])
    section += [nodes.paragraph(text=note) for note in result["notes"]]
    return section


def _table(rows: Sequence[Mapping[str, Any]]) -> nodes.table:
    names = list(dict.fromkeys(name for row in rows for name in row))
    group = nodes.tgroup("", cols=len(names))
    group += [nodes.colspec(colwidth=1) for _ in names]
    body = [_row([_shown(row.get(name)) for name in names]) for row in rows]
    group += [nodes.thead("", _row(names)), nodes.tbody("", *body)]
    return nodes.table("", group)


def _row(texts: Sequence[str]) -> nodes.row:
    return nodes.row("", *(nodes.entry("", nodes.paragraph(text=text)) for text in texts))


def _shown(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def setup(app: Sphinx) -> dict[str, bool]:
    """Registers the directive."""
    app.add_directive("results", Results)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
