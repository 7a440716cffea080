"""A staged model gives the masks of the model itself, to workers that have nothing but it."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from beam_deeplab.deeplab.checkpoints import CheckpointError, load_network
from beam_deeplab.deeplab.checkpoints.own import save_network
from beam_deeplab.deeplab.engines import EngineChoice
from beam_deeplab.deeplab.labels import LabelSet
from beam_deeplab.deeplab.models import inspect_model
from beam_deeplab.deeplab.quantized import NETWORKS_NAME
from beam_deeplab.deeplab.staged import StagedModel
from beam_deeplab.transforms import storage
from beam_deeplab.transforms.geometry import Canvas
from beam_deeplab.transforms.segmenting.handler import DeepLabHandler, Recipe
from beam_deeplab.transforms.segmenting.staging import stage_model
from tests.deeplab.test_quantized import NETWORKS, write_card
from tests.gcs_emulator import Gcs
from tests.networks import random_images
from tests.small_models import SMALL_CONFIG, write_small_checkpoint

pytest_plugins = ("tests.gcs_emulator",)
CANVAS = Canvas(49, 65)


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    return write_small_checkpoint(tmp_path / "small")


def _recipe(model: Path, engine: str) -> Recipe:
    choice = EngineChoice(engine, "f32")
    return Recipe(inspect_model(str(model)), CANVAS, 16, choice, eval_scales=(0.5, 1.0))


def _logits(recipe: Recipe) -> list[np.ndarray]:
    model = DeepLabHandler(recipe, engine_threads=1).load_model()
    return [
        model.engine_for(bucket)(random_images(2, bucket.height, bucket.width))
        for bucket in recipe.buckets
    ]


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["openvino", "tensorflow"])
def test_logits_are_the_same_bits_once_the_model_itself_is_gone(
    engine: str, checkpoint: Path, gcs: Gcs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = tmp_path / "own"
    labels = LabelSet("land", tuple("abcde"), tuple((i, i, i) for i in range(5)))
    save_network(load_network(checkpoint), SMALL_CONFIG, model, labels=labels, canvas=(49, 65))
    recipe = _recipe(model, engine)
    expected = _logits(recipe)
    staged = stage_model(recipe, gcs.uri("tmp"))
    assert replace(staged, model=replace(staged.model, staged=None)) == recipe
    model.rename(tmp_path / "gone")
    monkeypatch.setenv("BEAM_DEEPLAB_CACHE", str(tmp_path / "of_the_worker"))
    for got, wanted in zip(_logits(staged), expected, strict=True):
        np.testing.assert_array_equal(got, wanted)


def test_launchers_at_once_stage_one_archive(checkpoint: Path, gcs: Gcs) -> None:
    recipe = _recipe(checkpoint, "openvino")
    with ThreadPoolExecutor(2) as launchers:
        first, second = launchers.map(lambda _: stage_model(recipe, gcs.uri("tmp")), range(2))
    assert first == second
    uploads = gcs.count("upload")
    assert stage_model(recipe, gcs.uri("tmp")) == first
    assert gcs.count("upload") == uploads <= 2


def test_networks_of_8_bits_are_staged_as_they_are(gcs: Gcs, tmp_path: Path) -> None:
    write_card(tmp_path)
    digest = hashlib.sha256(NETWORKS).hexdigest()
    model = replace(inspect_model(str(tmp_path)), digest=digest)
    recipe = Recipe(model, CANVAS, 16, EngineChoice("openvino", "int8"))
    staged = stage_model(recipe, gcs.uri("tmp")).model.staged
    assert staged
    assert staged == StagedModel(gcs.uri(f"tmp/models/{digest}.tar"), digest, len(NETWORKS))
    assert storage.read(staged.uri) == NETWORKS
    (tmp_path / NETWORKS_NAME).write_bytes(NETWORKS[::-1])
    with pytest.raises(CheckpointError, match="holds other networks"):
        stage_model(recipe, gcs.uri("tmp"))


def test_weights_that_changed_since_the_plan_are_not_staged(
    checkpoint: Path, tmp_path: Path
) -> None:
    recipe = _recipe(checkpoint, "tensorflow")
    write_small_checkpoint(checkpoint, seed=1)
    with pytest.raises(CheckpointError, match="other weights than when the run was planned"):
        stage_model(recipe, str(tmp_path / "tmp"))
    assert not (tmp_path / "tmp").exists()
