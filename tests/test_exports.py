"""Every name that a package exports is there, and its documentation lists it."""

from __future__ import annotations

import ast
import importlib
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGES = (
    "transforms",
    "deeplab.labels",
    "deeplab.zoo",
    "deeplab.checkpoints",
    "deeplab.engines",
    "deeplab.scenes",
    "deeplab.training",
)


def _exported(package: str) -> list[str]:
    """Names imported ``X as X`` anywhere in the package's ``__init__.py``."""
    source = inspect.getsource(importlib.import_module(package))
    return [
        alias.name
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
        if alias.asname == alias.name
    ]


@pytest.mark.parametrize("package", PACKAGES)
def test_exports_exist_and_are_documented(package: str) -> None:
    module = importlib.import_module(package)
    names = _exported(package)
    assert names
    for name in names:
        member = getattr(module, name)
        if inspect.isclass(member) or inspect.isfunction(member):
            assert inspect.getdoc(member), f"{package}.{name} has no docstring"


def test_transforms_lists_what_it_exports() -> None:
    import transforms

    assert sorted(_exported("transforms")) == transforms.__all__
    with pytest.raises(AttributeError, match="no attribute 'missing'"):
        transforms.missing  # noqa: B018 - the access is the test


@pytest.mark.parametrize(
    "statement",
    [
        "import pipeline.cli",
        "import transforms.records, transforms.masks.label_maps, transforms.sources.sharding",
        "import deeplab.zoo, deeplab.labels, deeplab.checkpoints",
        "import deeplab.training, pipeline.train",
    ],
)
def test_light_modules_load_neither_beam_nor_tensorflow(statement: str) -> None:
    heavy = "{'apache_beam', 'tensorflow', 'keras', 'openvino', 'google.cloud.storage'}"
    code = f"import sys; {statement}; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_dependencies_point_one_way() -> None:
    """pipeline -> transforms -> deeplab, never back."""
    root = Path(__file__).parent.parent
    forbidden = {"deeplab": {"transforms", "pipeline", "apache_beam"}, "transforms": {"pipeline"}}
    for package, names in forbidden.items():
        for path in (root / package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                modules = (
                    [node.module or ""]
                    if isinstance(node, ast.ImportFrom)
                    else [alias.name for alias in node.names]
                    if isinstance(node, ast.Import)
                    else []
                )
                roots = {module.split(".")[0] for module in modules}
                assert not roots & names, f"{path} imports {roots & names}"
