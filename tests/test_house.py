"""The house stands straight: imports point one way, in no circle, and by one name."""

from __future__ import annotations

import ast
import graphlib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
FLOORS = ("deeplab", "scenes", "transforms", "pipeline")
FORBIDDEN = {
    "deeplab": {"scenes", "transforms", "pipeline"},
    "scenes": {"transforms", "pipeline"},
    "transforms": {"scenes", "pipeline"},
    "pipeline": set[str](),
}


def _modules() -> dict[str, Path]:
    """Every module of the product by its dotted name."""
    paths = [path for floor in FLOORS for path in (ROOT / floor).rglob("*.py")]
    names = [path.relative_to(ROOT).with_suffix("").parts for path in paths]
    return {
        ".".join(["beam_deeplab", *name]).removesuffix(".__init__"): path
        for name, path in zip(names, paths, strict=True)
    }


def _imported(path: Path) -> Iterator[str]:
    """The dotted names that a module imports, wherever in it; not those for type checkers only."""
    tree = ast.parse(path.read_text())
    for_types = {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if node in for_types:
            continue
        if isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def _graph() -> dict[str, set[str]]:
    modules = _modules()
    graph = {}
    for name, path in modules.items():
        targets = set()
        for imported in _imported(path):
            target = imported if imported in modules else imported.rpartition(".")[0]
            if target in modules and target != name:
                targets.add(target)
        graph[name] = targets
    return graph


def test_imports_make_no_circle() -> None:
    tuple(graphlib.TopologicalSorter(_graph()).static_order())


def test_imports_point_one_way() -> None:
    for name, targets in _graph().items():
        floor = name.split(".")[1]
        above = {target for target in targets if target.split(".")[1] in FORBIDDEN[floor]}
        assert not above, f"{name} imports {above}"


def test_the_network_knows_no_beam() -> None:
    for name, path in _modules().items():
        if name.split(".")[1] in ("deeplab", "scenes"):
            assert not any(each.startswith("apache_beam") for each in _imported(path)), name


def test_everything_is_imported_by_its_full_name() -> None:
    for folder in (*FLOORS, "beam_deeplab", "tests", "benchmarks"):
        for path in (ROOT / folder).rglob("*.py"):
            roots = {imported.split(".")[0] for imported in _imported(path)}
            assert not roots & set(FLOORS), path
