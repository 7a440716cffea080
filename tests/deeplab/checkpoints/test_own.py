from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from beam_deeplab.deeplab.architecture import AsppConfig, DeepLabConfig
from beam_deeplab.deeplab.architecture.builder import build_network
from beam_deeplab.deeplab.architecture.layers import official_variables
from beam_deeplab.deeplab.checkpoints import (
    CheckpointError,
    digest_of,
    load_network,
    open_checkpoint,
)
from beam_deeplab.deeplab.checkpoints.own import save_network
from beam_deeplab.deeplab.labels import VOC, LabelSet
from tests.networks import random_images, set_random_weights

CONFIG = DeepLabConfig(
    "mobilenet_v2",
    num_classes=2,
    depth_multiplier=0.35,
    channel_divisor=4,
    aspp=AsppConfig(rates=(2, 5), channels=8),
)
LABELS = LabelSet("insects", ("background", "Käfer"), ((0, 0, 0), (9, 80, 200)), 254)
CANVAS = (129, 161)


@pytest.fixture(scope="module")
def network() -> Any:
    network = build_network(CONFIG)
    set_random_weights(network)
    return network


@pytest.fixture
def folder(network: Any, tmp_path: Path) -> Path:
    save_network(network, CONFIG, tmp_path / "model", LABELS, CANVAS)
    return tmp_path / "model"


@pytest.mark.slow
def test_what_is_saved_is_loaded(network: Any, folder: Path) -> None:
    checkpoint = open_checkpoint(folder)
    assert checkpoint.config == CONFIG
    assert (checkpoint.labels, checkpoint.canvas) == (LABELS, CANVAS)
    assert set(checkpoint.shapes) == set(official_variables(network))
    images = random_images(2, 33, 33)
    for path in (folder, folder / "weights.safetensors", folder / "model.json"):
        np.testing.assert_array_equal(load_network(path)(images), network(images))


def test_the_output_stride_is_the_loaders_choice(folder: Path) -> None:
    network = load_network(folder, output_stride=8, input_size=(33, 41))
    assert network.output_shape == (None, 5, 6, 2)


def test_the_digest_is_that_of_the_weights_file(network: Any, folder: Path) -> None:
    weights = (folder / "weights.safetensors").read_bytes()
    digest = hashlib.sha256(weights).hexdigest()
    assert json.loads((folder / "model.json").read_text("utf-8"))["digest"] == digest
    assert digest_of(folder) == open_checkpoint(folder).digest == digest
    assert save_network(network, CONFIG, folder, LABELS, CANVAS) == digest
    assert sorted(file.name for file in folder.iterdir()) == ["model.json", "weights.safetensors"]


def test_changed_weights_are_refused(folder: Path) -> None:
    weights = folder / "weights.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    with pytest.raises(CheckpointError, match=r"has the digest .* one of the two was changed"):
        open_checkpoint(folder)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("labels", ["background", "ant"]),
        ("config", {"backbone": "xception_65"}),
        ("canvas", [129, 129]),
    ],
)
def test_a_changed_description_is_refused(folder: Path, key: str, value: object) -> None:
    file = folder / "model.json"
    description = json.loads(file.read_text("utf-8"))
    file.write_text(json.dumps({**description, key: value}), "utf-8")
    with pytest.raises(CheckpointError, match="describes another network"):
        open_checkpoint(folder)


@pytest.mark.parametrize(("text", "message"), [("{", "not JSON"), ("{}", "lacks"), ("3", "lacks")])
def test_a_broken_description_is_refused(folder: Path, text: str, message: str) -> None:
    (folder / "model.json").write_text(text, "utf-8")
    with pytest.raises(CheckpointError, match=message):
        open_checkpoint(folder)


def test_a_broken_weights_file_is_refused(folder: Path) -> None:
    content = b"not safetensors"
    (folder / "weights.safetensors").write_bytes(content)
    file = folder / "model.json"
    description = json.loads(file.read_text("utf-8"))
    description["digest"] = hashlib.sha256(content).hexdigest()
    file.write_text(json.dumps(description), "utf-8")
    with pytest.raises(CheckpointError, match="cannot be read"):
        open_checkpoint(folder)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("config", {"backbone": "vision_transformer"}, "not a network's configuration"),
        ("labels", {"name": "a", "classes": 3}, "classes must be a list"),
        ("canvas", [129, "wide"], "canvas is two whole numbers"),
    ],
)
def test_a_description_that_this_version_does_not_know(
    folder: Path, key: str, value: object, message: str
) -> None:
    weights = folder / "weights.safetensors"
    content = json.loads((folder / "model.json").read_text("utf-8"))
    del content["digest"]
    content[key] = value
    save_file(load_file(weights), weights, {"deeplab": json.dumps(content)})
    description = {**content, "digest": hashlib.sha256(weights.read_bytes()).hexdigest()}
    (folder / "model.json").write_text(json.dumps(description), "utf-8")
    with pytest.raises(CheckpointError, match=message):
        open_checkpoint(folder)


def test_every_class_needs_a_label(network: Any, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="21 labels for 2 classes"):
        save_network(network, CONFIG, tmp_path, VOC, CANVAS)
