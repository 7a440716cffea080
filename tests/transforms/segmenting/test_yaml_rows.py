"""A pipeline in Beam YAML, with Beam's own ``apache_beam.yaml``."""

from __future__ import annotations

import json
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("jinja2", reason="Beam YAML needs Beam's extra yaml")

from apache_beam.yaml import main as yaml_main

from beam_deeplab.transforms.segmenting.yaml_rows import SegmentRows
from tests.faults.conftest import write_picture

PIPELINE = """
providers:
  - type: python
    config: {{}}
    transforms:
      SegmentImages: beam_deeplab.transforms.segmenting.yaml_rows.SegmentRows
pipeline:
  transforms:
    - type: Create
      config: {{elements: {elements}}}
    - type: SegmentImages
      input: Create
      config: {config}
    - type: WriteToParquet
      name: Masks
      input: {good}
      config: {{path: {folder}/masks, file_name_suffix: .parquet}}
    {more}
"""
ERRORS = """
    - type: WriteToJson
      name: Errors
      input: SegmentImages.failed
      config: {{path: {folder}/errors}}
"""


def _run(folder: Path, uris: list[str], *, good: str, more: str = "", **config: Any) -> None:
    elements = json.dumps([{"photo": uri, "id": index} for index, uri in enumerate(uris)])
    settings = {"model": "emoji_scenes", "image_uri": "photo", **config}
    text = PIPELINE.format(
        elements=elements, config=json.dumps(settings), good=good, folder=folder, more=more
    )
    yaml_main.run(["--yaml_pipeline", text, "--runner=FnApiRunner"])


def _rows(folder: Path) -> list[dict[str, Any]]:
    import pyarrow.parquet as pq

    return [row for file in folder.glob("masks*") for row in pq.read_table(file).to_pylist()]


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    write_picture(tmp_path / "a.png", 1)
    return tmp_path / "a.png"


@pytest.mark.slow
def test_rows_go_in_and_masks_and_errors_come_out(picture: Path, tmp_path: Path) -> None:
    missing = str(tmp_path / "missing.png")
    _run(
        tmp_path,
        [str(picture), missing],
        good="SegmentImages.good",
        more=ERRORS.format(folder=tmp_path),
        error_handling={"output": "failed"},
    )
    (row,) = _rows(tmp_path)
    assert row["image_uri"] == str(picture)
    with Image.open(picture) as photo, Image.open(BytesIO(row["mask"])) as mask:
        assert (row["width"], row["height"]) == photo.size == mask.size
        ids = set(np.unique(np.asarray(mask)).tolist())
    assert {area["class_id"] for area in row["areas"]} == ids
    assert sum(area["pixels"] for area in row["areas"]) == row["width"] * row["height"]
    (line,) = [line for file in tmp_path.glob("errors*") for line in file.read_text().splitlines()]
    error = json.loads(line)
    assert error["element"] == {"image_uri": missing}
    assert (error["stage"], error["code"]) == ("read", "NOT_FOUND")
    assert error["msg"]


def test_without_error_handling_a_failure_fails_the_pipeline(tmp_path: Path) -> None:
    with pytest.raises(Exception, match="NOT_FOUND"):
        _run(tmp_path, [str(tmp_path / "missing.png")], good="SegmentImages")


def test_without_error_handling_there_is_one_output(picture: Path, tmp_path: Path) -> None:
    _run(tmp_path, [str(picture)], good="SegmentImages")
    assert [row["image_uri"] for row in _rows(tmp_path)] == [str(picture)]


@pytest.mark.parametrize(
    "wrong", [{"canvas": "large"}, {"error_handling": {}}, {"error_handling": {"main": "x"}}]
)
def test_wrong_settings_are_refused_by_name(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        SegmentRows("emoji_scenes", **wrong)
