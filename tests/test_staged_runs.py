"""The model travels to workers that have neither the launcher's files nor TensorFlow."""

from __future__ import annotations

import functools
import json
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from beam_deeplab.pipeline.cli import main
from beam_deeplab.pipeline.options import NetworkOptions
from beam_deeplab.pipeline.recipes import build_recipe
from beam_deeplab.transforms import storage
from beam_deeplab.transforms.segmenting.staging import stage_model
from tests.faults.conftest import write_picture
from tests.gcs_emulator import Gcs
from tests.job_service import WORKER
from tests.small_models import write_small_checkpoint

pytest_plugins = ("tests.gcs_emulator",)
CANVAS = ["--canvas", "49", "65"]


@dataclass(frozen=True)
class Launch:
    """What all runs here share: a model and photos on the launcher's disk."""

    model: Path
    photos: Path

    def __call__(self, output: str, *flags: str) -> int:
        named = [f"--input={self.photos}", f"--output={output}", f"--model={self.model}"]
        return main(["segment", *named, *CANVAS, *flags, "--quiet"])

    @functools.cached_property
    def locally(self) -> str:
        """The output of a run here."""
        output = str(self.model.parent / "out")
        assert self(output) == 0
        return output


@pytest.fixture(scope="module")
def segment(tmp_path_factory: pytest.TempPathFactory) -> Launch:
    folder = tmp_path_factory.mktemp("launcher")
    for number in range(3):
        write_picture(folder / "photos" / f"{number}.png", number)
    return Launch(write_small_checkpoint(folder / "model"), folder / "photos")


@pytest.fixture
def elsewhere(tmp_path: Path) -> list[str]:
    """Beam's flags for workers with an empty cache, on whom importing TensorFlow raises."""
    blocked = tmp_path / "blocked"
    blocked.mkdir()
    for module in ("tensorflow", "keras"):
        (blocked / f"{module}.py").write_text("raise RuntimeError('this worker has none')")
    root = Path(__file__).parent.parent
    variables = f"PYTHONPATH={blocked}:{root} BEAM_DEEPLAB_CACHE={tmp_path / 'of_the_worker'}"
    return [
        "--runner=PortableRunner",
        "--job_endpoint=embed",
        "--environment_type=beam:env:harness_subprocess_python:v1",
        f"--environment_config=env {variables} {WORKER}",
    ]


def _masks(output: str) -> list[dict[str, Any]]:
    """The rows of all parts, by image."""
    folder = storage.join(output, "masks")
    parts = [storage.read(storage.join(folder, file.name)) for file in storage.list_folder(folder)]
    rows = [row for part in parts for row in pq.read_table(BytesIO(part)).to_pylist()]
    return sorted(rows, key=lambda row: str(row["image_uri"]))


def _run(output: str) -> dict[str, Any]:
    run: dict[str, Any] = json.loads(storage.read(storage.join(output, "run.json")))
    return run


@pytest.mark.slow
@pytest.mark.parametrize("temporary", [True, False], ids=["temp_location", "output"])
def test_rows_and_fingerprint_are_those_of_a_local_run(
    temporary: bool, segment: Launch, elsewhere: list[str], gcs: Gcs, tmp_path: Path
) -> None:
    output = gcs.uri("out") if temporary else str(tmp_path / "out")
    flags = [f"--temp_location={gcs.uri('tmp')}"] if temporary else []
    assert segment(output, *elsewhere, *flags) == 0
    local, there = _run(segment.locally), _run(output)
    assert there["fingerprint"] == local["fingerprint"]
    assert there["model"] == local["model"]
    assert _masks(output) == _masks(segment.locally)
    assert len(_masks(output)) == 3
    staged = storage.list_folder(storage.join(gcs.uri("tmp") if temporary else output, "models"))
    assert len(staged) == 1


@pytest.mark.slow
def test_another_model_in_its_place_ends_the_run_in_one_line(
    segment: Launch, elsewhere: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    network = NetworkOptions(str(segment.model), canvas=(49, 65), bucketed=False)
    staged = stage_model(build_recipe(network, gpu=False), str(tmp_path / "tmp")).model.staged
    assert staged is not None
    archive = Path(staged.uri)
    archive.write_bytes(archive.read_bytes()[:-512])
    flags = [*elsewhere, f"--temp_location={tmp_path / 'tmp'}"]
    capsys.readouterr()
    assert segment(str(tmp_path / "out"), *flags) == 1
    (line,) = _said(capsys)
    assert f"{archive} has SHA-256 " in line
    archive.unlink()
    assert segment(str(tmp_path / "out"), *flags, "--resume") == 0


def test_a_place_that_cannot_be_written_is_said_before_anything_is_begun(
    segment: Launch, elsewhere: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "tmp").write_bytes(b"a file")
    flags = [*elsewhere, f"--temp_location={tmp_path / 'tmp'}"]
    assert segment(str(tmp_path / "out"), *flags) == 2
    (line,) = _said(capsys)
    assert line.startswith("beam-deeplab: --model cannot be staged: ")
    assert not (tmp_path / "out").exists()


def _said(capsys: pytest.CaptureFixture[str]) -> list[str]:
    """What stands on stderr but that the model's class names are guessed."""
    lines = capsys.readouterr().err.strip().splitlines()
    return [line for line in lines if "class names are" not in line]
