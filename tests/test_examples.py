"""Every example runs on demo scenes and shows what its first line says."""

from __future__ import annotations

import sys
from pathlib import Path

import duckdb
import pytest

from beam_deeplab.pipeline.cli import main
from tests.forking import run

EXAMPLES = Path(__file__).parent.parent / "examples"


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``images`` and ``run``: six scenes, segmented by the bundled model."""
    folder = tmp_path_factory.mktemp("examples")
    images, run = str(folder / "images"), str(folder / "run")
    truth = str(folder / "truth")
    assert main(["demo-data", "--count", "6", "--output", images, "--truth", truth]) == 0
    assert main(["segment", "--input", images, "--output", run, "--model", "emoji_scenes"]) == 0
    return folder


def _run(example: str, *arguments: str | Path) -> str:
    done = run([sys.executable, EXAMPLES / example, *arguments])
    assert done.returncode == 0, done.stderr
    return done.stdout


def _pixels(run: Path) -> dict[str, int]:
    areas = str(run / "class_areas" / "*.parquet")
    sums = "select class_name, sum(pixels)::bigint from read_parquet($areas) group by all"
    return dict(duckdb.sql(sums, params={"areas": areas}).fetchall())


@pytest.mark.slow
def test_a_pipeline_of_one_s_own_sums_what_the_program_wrote(scenes: Path) -> None:
    printed = _run("segment_folder.py", scenes / "images").splitlines()
    expected = [f"{name}: {pixels} pixels" for name, pixels in _pixels(scenes / "run").items()]
    assert sorted(printed) == sorted(expected)


def test_areas_are_asked(scenes: Path) -> None:
    printed = _run("query_areas.py", scenes / "run", "animal")
    assert all(name in printed for name in _pixels(scenes / "run"))
    assert "over_all" in printed


def test_masks_are_read_as_ids(scenes: Path) -> None:
    lines = _run("read_masks.py", scenes / "run").splitlines()
    assert [line.split()[0] for line in sorted(lines)] == [
        str(path) for path in sorted((scenes / "images").iterdir())
    ]
    assert {"[0", "[1", "[2", "[3", "[4", "[5", "[6"} >= {line.split(") ")[1][:2] for line in lines}


def test_every_example_is_run_here() -> None:
    source = Path(__file__).read_text()
    assert all(f'"{path.name}"' in source for path in EXAMPLES.glob("*.py"))
