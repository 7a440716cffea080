"""What two runs of one job must have in common, wherever they ran."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from PIL import Image

from beam_deeplab.pipeline.cli import main
from beam_deeplab.transforms.evaluating.committing import METRICS_FILE, REPORT_FILES
from tests.faults.conftest import Job

_OF_ITS_RUN: Final = ("run_id", "started", "committed", "seconds")


def assert_equal_rows(job: Job, other: Job) -> None:
    """All tables of two committed outputs hold the same rows."""
    assert job.is_committed()
    for dataset in ("masks", "failures", "images", "class_areas"):
        assert job.rows(dataset) == other.rows(dataset), dataset


def write_truth(pictures: Path, folder: Path, classes: int = 4) -> Path:
    """A random truth for each picture."""
    folder.mkdir()
    rng = np.random.default_rng(1)
    for path in sorted(pictures.glob("*.png")):
        with Image.open(path) as picture:
            shape = picture.size[::-1]
        Image.fromarray(rng.integers(0, classes, shape, np.uint8)).save(folder / path.name)
    return folder


def assert_equal_scores(job: Job, flags: Sequence[str], folder: Path) -> None:
    """The masks of a job, scored here and on an engine, give one report, byte by byte."""
    truth = write_truth(Path(job.inputs[0]).parent, folder / "truth")
    named = ["--segmented", str(job.output), "--truth", str(truth), "--quiet"]
    for name, more in (("here", []), ("there", flags)):
        assert main(["evaluate", *named, "--output", str(folder / name), *more]) == 0
    for name in REPORT_FILES:
        assert (folder / "here" / name).read_bytes() == (folder / "there" / name).read_bytes()
    here, there = (_metrics(folder / name) for name in ("here", "there"))
    assert here == there


def _metrics(output: Path) -> dict[str, Any]:
    metrics: dict[str, Any] = json.loads((output / METRICS_FILE).read_bytes())
    del metrics["settings"]["runner"]
    return {name: value for name, value in metrics.items() if name not in _OF_ITS_RUN}
