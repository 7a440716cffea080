"""The models of the package: there without a network, small, and known by name everywhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from beam_deeplab.deeplab.labels import SCENES
from beam_deeplab.deeplab.models import inspect_model
from beam_deeplab.deeplab.zoo import BUNDLED_MODELS, OFFICIAL_MODELS, closest_names, locate


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BEAM_DEEPLAB_CACHE", str(tmp_path / "cache"))


@pytest.mark.parametrize("name", BUNDLED_MODELS)
def test_it_is_located_in_the_package(name: str) -> None:
    folder = locate(name)
    assert folder == BUNDLED_MODELS[name].folder
    assert {"weights.safetensors", "model.json", "README.md"} <= {
        file.name for file in folder.iterdir()
    }
    assert BUNDLED_MODELS[name].size_mb < 5


@pytest.mark.parametrize("name", BUNDLED_MODELS)
def test_workers_find_it_by_its_name(name: str) -> None:
    model, bundled = inspect_model(name), BUNDLED_MODELS[name]
    assert model.reference == name
    assert model.config.backbone == bundled.backbone
    assert model.config.depth_multiplier == bundled.depth_multiplier
    assert model.config.num_classes == bundled.classes
    assert inspect_model(str(bundled.folder)).digest == model.digest


def test_the_scenes_model_tells_the_scenes_classes() -> None:
    model = inspect_model("emoji_scenes")
    assert model.labels == SCENES
    assert model.canvas == (257, 257)


def test_names_do_not_collide_and_typing_errors_are_met() -> None:
    assert not BUNDLED_MODELS.keys() & OFFICIAL_MODELS.keys()
    assert closest_names("emoji_scene")[0] == "emoji_scenes"
