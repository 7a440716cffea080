"""Every name that a package exports is there, and its documentation lists it."""

from __future__ import annotations

import ast
import importlib
import inspect
import subprocess
import sys

import pytest

PACKAGES = (
    "beam_deeplab",
    "beam_deeplab.deeplab.labels",
    "beam_deeplab.deeplab.zoo",
    "beam_deeplab.deeplab.checkpoints",
    "beam_deeplab.deeplab.engines",
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


def test_the_package_lists_what_it_exports() -> None:
    import beam_deeplab

    assert sorted([*_exported("beam_deeplab"), "__version__"]) == beam_deeplab.__all__
    with pytest.raises(AttributeError, match="no attribute 'missing'"):
        beam_deeplab.missing  # noqa: B018 - the access is the test


@pytest.mark.parametrize(
    "statement",
    [
        "import beam_deeplab.pipeline.cli",
        "from beam_deeplab.transforms import records, masks, runs",
        "from beam_deeplab.deeplab import zoo, labels, checkpoints",
        "import beam_deeplab.deeplab.training, beam_deeplab.pipeline.train",
    ],
)
def test_light_modules_load_neither_beam_nor_tensorflow(statement: str) -> None:
    heavy = "{'apache_beam', 'tensorflow', 'keras', 'openvino', 'google.cloud.storage'}"
    code = f"import sys; {statement}; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
