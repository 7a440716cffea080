"""The embedded default, from an empty folder to its report."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from beam_deeplab.pipeline.cli import main

COUNT = 16


@pytest.mark.slow
def test_everything_is_made_scored_and_shown(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "made"
    assert main(["quickstart", "--output", str(output), "--count", str(COUNT)]) == 0
    said = capfd.readouterr()
    assert "Traceback" not in said.err
    for words in ("Segmented", "Evaluated", "mIoU", "more than a quarter animal", "report.html"):
        assert words in said.out
    assert {path.name for path in output.iterdir()} == {
        "images",
        "truth",
        "run",
        "evaluation",
        "report.html",
        "report.json",
    }
    assert len(list((output / "images").iterdir())) == len(list((output / "truth").iterdir()))
    metrics = json.loads((output / "evaluation" / "metrics.json").read_text())
    assert metrics["images"] == COUNT
    assert metrics["miou"] > 0.75
    scores = pq.read_table(output / "evaluation" / "scores.parquet")
    assert scores.num_rows == COUNT
    assert metrics["miou"] == json.loads((output / "report.json").read_text())["evaluation"]["miou"]
    page = (output / "report.html").read_text()
    assert len(set(re.findall(r"Truth of scene-\d{5}\.", page))) >= 12


@pytest.mark.slow
def test_a_second_quickstart_replaces_the_first_and_nothing_else(tmp_path: Path) -> None:
    output = tmp_path / "made"
    assert main(["quickstart", "--output", str(output), "--count", "5"]) == 0
    (output / "notes.txt").write_text("mine")
    assert main(["quickstart", "--output", str(output), "--count", "3", "--seed", "7"]) == 0
    assert len(list((output / "images").iterdir())) == 3
    assert (output / "notes.txt").read_text() == "mine"
    assert json.loads((output / "evaluation" / "metrics.json").read_text())["images"] == 3


def test_a_folder_that_cannot_be_made_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    assert main(["quickstart", "--output", str(tmp_path / "file" / "below")]) == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 1


def test_the_seed_is_checked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["quickstart", "--output", str(tmp_path / "q"), "--seed", "-1"]) == 2
    assert "--seed -1" in capsys.readouterr().err
