"""The package installs beside others: what is in it, what the core needs, where it resolves."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tarfile
import tomllib
import venv
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parent.parent
FLOORS = ("deeplab", "scenes", "transforms", "pipeline")
PYTHONS = ("3.11", "3.12", "3.13")


def _run(*command: str | Path, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs a command that sees nothing of this tree unless its folder holds it."""
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env={**clean, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="session")
def archives(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The sdist and the wheel that is built from it."""
    folder = tmp_path_factory.mktemp("archives")
    source = folder / "source"
    files = ("pyproject.toml", "setup.py", "MANIFEST.in", "README.md", "LICENSE")
    source.mkdir()
    for name in files:
        shutil.copy(ROOT / name, source / name)
    for name in ("beam_deeplab", "tests", *FLOORS):
        shutil.copytree(ROOT / name, source / name, symlinks=True)
    done = _run(sys.executable, "-m", "uv", "build", "--quiet", "--out-dir", folder, cwd=source)
    assert done.returncode == 0, done.stderr
    (sdist,), (wheel,) = folder.glob("*.tar.gz"), folder.glob("*.whl")
    return sdist, wheel


def _product_files() -> set[str]:
    """Every file that Python or the package needs at run time, by its name under beam_deeplab/."""
    return {
        "beam_deeplab/" + path.relative_to(ROOT).as_posix()
        for floor in FLOORS
        for path in (ROOT / floor).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


@pytest.mark.slow
def test_the_wheel_holds_real_files_once(archives: tuple[Path, Path]) -> None:
    with zipfile.ZipFile(archives[1]) as wheel:
        names = wheel.namelist()
    assert len(names) == len(set(names))
    assert _product_files() <= set(names)
    assert {name.split("/")[0].removesuffix(".dist-info") for name in names} == {
        "beam_deeplab",
        archives[1].name.removesuffix("-py3-none-any.whl"),
    }
    licenses = {name.split("/licenses/")[1] for name in names if "/licenses/" in name}
    assert licenses == {"LICENSE", "beam_deeplab/scenes/atlas/LICENSE"}


def test_the_sdist_holds_real_files_once(archives: tuple[Path, Path]) -> None:
    with tarfile.open(archives[0]) as sdist:
        members = sdist.getmembers()
    assert not [member.name for member in members if member.issym() or member.islnk()]
    names = [member.name.split("/", 1)[1] for member in members if member.isfile()]
    assert len(names) == len(set(names))
    assert _product_files() <= set(names)
    assert not [name for name in names if name.split("/")[0] in ("tests", *FLOORS)]


def _closure(names: list[str]) -> dict[str, Distribution]:
    """The distributions that these requirements and theirs take here, without other extras."""
    found: dict[str, Distribution] = {}
    seen = set()
    waiting = [Requirement(name) for name in names]
    while waiting:
        requirement = waiting.pop()
        if str(requirement) in seen:
            continue
        seen.add(str(requirement))
        try:
            member = distribution(requirement.name)
        except PackageNotFoundError:
            continue
        found[requirement.name] = member
        for inner in map(Requirement, member.requires or ()):
            extras = requirement.extras or {""}
            if not inner.marker or any(inner.marker.evaluate({"extra": each}) for each in extras):
                waiting.append(inner)
    return found


def _top_level(member: Distribution) -> Iterator[Path]:
    for name in {file.parts[0] for file in member.files or ()} - {"..", "__pycache__"}:
        yield Path(str(member.locate_file(name)))


def _environment(folder: Path, wheel: Path) -> Path:
    """An environment of the wheel and of what its core requires, no more: its site-packages.

    What is required is linked from this environment, not downloaded again.
    """
    venv.create(folder, symlinks=True)
    (packages,) = folder.glob("lib/python*/site-packages")
    uv = (sys.executable, "-m", "uv", "pip", "install", "--quiet", "--no-deps", "--python", folder)
    assert _run(*uv, wheel, cwd=folder).returncode == 0
    (metadata,) = packages.glob("beam_deeplab-*.dist-info")
    required = Distribution.at(metadata).requires or []
    for member in _closure([line for line in required if "extra ==" not in line]).values():
        for path in _top_level(member):
            if not (packages / path.name).exists():
                (packages / path.name).symlink_to(path)
    return packages


@pytest.fixture(scope="session")
def core(archives: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bin folder of an environment of the core alone."""
    folder = tmp_path_factory.mktemp("core")
    _environment(folder, archives[1])
    return folder / "bin"


@pytest.mark.slow
def test_it_imports_beside_folders_of_the_same_names(core: Path, tmp_path: Path) -> None:
    for floor in FLOORS:
        (tmp_path / floor).mkdir()
        (tmp_path / floor / "__init__.py").write_text("raise RuntimeError('not this one')\n")
    code = (
        "import beam_deeplab, beam_deeplab.pipeline.segment;"
        "print(beam_deeplab.__version__, beam_deeplab.SegmentImages, beam_deeplab.__file__)"
    )
    done = _run(core / "python", "-c", code, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert str(core.parent) in done.stdout


@pytest.mark.slow
def test_the_core_segments(core: Path, tmp_path: Path) -> None:
    program = core / "beam-deeplab"
    made = _run(
        program, *["demo-data", "--count", "2", "--output", "in", "--truth", "truth"], cwd=tmp_path
    )
    assert made.returncode == 0, made.stderr
    flags = ["segment", "--input", "in", "--output", "out", "--model", "emoji_scenes"]
    done = _run(program, *flags, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out" / "manifest.json").exists()


@pytest.mark.slow
def test_another_distribution_of_tensorflow_will_do(
    archives: tuple[Path, Path], tmp_path: Path
) -> None:
    """tensorflow-cpu holds the same modules under another name, and runs say which it was."""
    packages = _environment(tmp_path / "cpu", archives[1])
    (linked,) = packages.glob("tensorflow-*.dist-info")
    other = packages / linked.name.replace("tensorflow-", "tensorflow_cpu-")
    shutil.copytree(linked, other)
    linked.unlink()
    metadata = (other / "METADATA").read_text()
    (other / "METADATA").write_text(
        metadata.replace("Name: tensorflow\n", "Name: tensorflow-cpu\n")
    )
    code = "from beam_deeplab.pipeline import recipes; print(recipes.describe_versions())"
    done = _run(tmp_path / "cpu" / "bin" / "python", "-c", code, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "'tensorflow-cpu': '2." in done.stdout


@pytest.mark.parametrize(
    "command",
    ["quickstart", "evaluate --segmented run --truth truth --output report", "report run"],
)
def test_a_command_without_its_extra_says_what_to_install(
    core: Path, tmp_path: Path, command: str
) -> None:
    done = _run(core / "beam-deeplab", *command.split(), cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "install beam-deeplab[report]" in done.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_the_dependencies_resolve(tmp_path: Path) -> None:
    """A resolver's dry run, with every extra: all at once, for it waits for the index."""

    def resolve(python: str) -> subprocess.CompletedProcess[str]:
        return _run(
            *(sys.executable, "-m", "uv", "pip", "compile", "--quiet", "--all-extras"),
            *("--python-version", python, "--output-file", str(tmp_path / python)),
            ROOT / "pyproject.toml",
            cwd=tmp_path,
        )

    with ThreadPoolExecutor(len(PYTHONS)) as pool:
        for python, done in zip(PYTHONS, pool.map(resolve, PYTHONS), strict=True):
            assert done.returncode == 0, f"{python}: {done.stderr}"
            assert "tensorflow==" in (tmp_path / python).read_text()


def test_the_workflow_runs_each_python() -> None:
    workflow = (ROOT / ".github" / "workflows" / "test.yml").read_text()
    assert f"python: {json.dumps(list(PYTHONS))}" in workflow
    assert all(f"make {part}" in workflow for part in ("test", "slow", "engines", "docs"))
    requires = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["requires-python"]
    assert requires == ">=3.11,<3.14"
