"""From flags to a recipe: the file's own facts win over defaults, and guesses are said."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from beam_deeplab.deeplab.architecture.variables import variable_shapes
from beam_deeplab.pipeline.options import NetworkOptions, UsageError
from beam_deeplab.pipeline.recipes import (
    build_recipe,
    describe_model,
    describe_recipe,
    find_model_spec,
)
from tests.gcs_emulator import Gcs
from tests.small_models import SMALL_CONFIG
from tests.written_weights import write_bundle

pytest_plugins = ("tests.gcs_emulator",)

NAMES = [f"kind {index}" for index in range(19)]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BEAM_DEEPLAB_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def nineteen(tmp_path: Path) -> Path:
    """A checkpoint of 19 classes that are not those of Cityscapes."""
    shapes = variable_shapes(replace(SMALL_CONFIG, num_classes=19))
    zeros = {name: np.zeros(shape, np.float32) for name, shape in shapes.items()}
    return write_bundle(tmp_path / "own" / "model.ckpt-7", zeros).parent


def test_guesses_are_said_and_recorded(nineteen: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe = build_recipe(NetworkOptions(str(nineteen)))
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 2
    assert "class names are guessed" in said[0]
    assert "the canvas is guessed, 513 x 513" in said[1]
    assert describe_model(recipe.model)["guessed"] == ["labels", "canvas"]


def test_what_is_given_is_no_guess(
    nineteen: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    labels = tmp_path / "classes.txt"
    labels.write_text("\n".join(NAMES))
    options = NetworkOptions(f"file://{nineteen}", f"file://{labels}", canvas=(257, 257))
    recipe = build_recipe(options)
    assert list(recipe.model.labels.names) == NAMES
    assert capsys.readouterr().err == ""


def test_labels_may_lie_in_the_cloud(nineteen: Path, gcs: Gcs) -> None:
    gcs.put("labels/id2label.json", json.dumps(dict(enumerate(NAMES))).encode())
    model = find_model_spec(str(nineteen), gcs.uri("labels/id2label.json"))
    assert list(model.labels.names) == NAMES
    for name, message in (("none.json", "no such object"), ("", "names a bucket")):
        with pytest.raises(UsageError, match=message) as caught:
            find_model_spec(str(nineteen), gcs.uri(name))
        assert gcs.uri(name) in str(caught.value)


def test_genres_decide_no_mask(nineteen: Path, tmp_path: Path) -> None:
    """So a run can be resumed with other genres; its files say the new ones."""
    described = []
    for genre in ("food", "animal"):
        labels = tmp_path / f"{genre}/kinds.json"
        labels.parent.mkdir()
        labels.write_text(json.dumps([{"name": name, "genre": genre} for name in NAMES]))
        recipe = build_recipe(NetworkOptions(str(nineteen), str(labels)))
        assert describe_model(recipe.model)["labels"]["classes"][3]["genre"] == genre
        described.append(describe_recipe(recipe))
    assert described[0] == described[1]
    assert "genre" not in json.dumps(described[0])


def test_a_limit_on_probabilities_decides_masks_only_where_there_is_one(nineteen: Path) -> None:
    options = NetworkOptions(str(nineteen))
    assert "ignore_below" not in describe_recipe(build_recipe(options))
    asked = build_recipe(replace(options, ignore_below=0.5))
    assert describe_recipe(asked)["ignore_below"] == 0.5


def test_a_graph_says_its_output_stride_and_canvas(mobilenet_checkpoint: Path) -> None:
    for name, stride in (("frozen_inference_graph", 16), ("frozen_inference_graph_os8", 8)):
        options = NetworkOptions(str(mobilenet_checkpoint / f"{name}.pb"))
        recipe = build_recipe(options)
        assert (recipe.output_stride, recipe.canvas.height) == (stride, 513)
        assert build_recipe(replace(options, output_stride=16)).output_stride == 16


@pytest.mark.parametrize("scheme", ["", "file://"])
def test_a_model_on_this_machine_will_travel(nineteen: Path, scheme: str) -> None:
    recipe = build_recipe(NetworkOptions(f"{scheme}{nineteen}"), gpu=False)
    assert recipe.model.reference == str(nineteen)


def test_what_ships_with_the_package_is_for_workers_anywhere() -> None:
    assert build_recipe(NetworkOptions("emoji_scenes"), gpu=False).model.guesses == ()


def test_what_workers_could_not_load_is_refused(nineteen: Path) -> None:
    (data,) = nineteen.glob("*.data-*")
    data.write_bytes(data.read_bytes()[:-1] + b"\1")
    with pytest.raises(UsageError, match="checksum does not fit"):
        build_recipe(NetworkOptions(str(nineteen)))
