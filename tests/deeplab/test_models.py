from __future__ import annotations

import json
import os
import pickle
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from beam_deeplab.deeplab.checkpoints import CheckpointError, load_network
from beam_deeplab.deeplab.checkpoints.own import save_network
from beam_deeplab.deeplab.labels import VOC, LabelSet
from beam_deeplab.deeplab.models import ModelSpec, inspect_model
from beam_deeplab.deeplab.zoo import ModelNotFound
from tests.networks import random_images
from tests.small_models import SMALL_CONFIG, write_small_checkpoint


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BEAM_DEEPLAB_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_small_checkpoint(tmp_path_factory.mktemp("small"))


def test_a_checkpoint_tells_its_network(checkpoint: Path) -> None:
    model = inspect_model(str(checkpoint))
    assert model.config == SMALL_CONFIG
    assert model.labels.names == ("class_0", "class_1", "class_2", "class_3", "class_4")
    assert model.canvas == (513, 513)
    assert model.reference == str(checkpoint)
    assert inspect_model(str(checkpoint)) == model


def test_a_relative_reference_becomes_absolute(
    checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(checkpoint.parent)
    assert inspect_model(checkpoint.name) == inspect_model(str(checkpoint))


def test_the_official_checkpoint_is_a_voc_model(mobilenet_checkpoint: Path) -> None:
    model = inspect_model(str(mobilenet_checkpoint))
    assert (model.config.backbone, model.config.num_classes) == ("mobilenet_v2", 21)
    assert (model.labels, model.canvas) == (VOC, (513, 513))


def test_own_weights_bring_their_labels_and_canvas(tmp_path: Path, checkpoint: Path) -> None:
    names = ("sky", "field", "water", "wood", "road")
    labels = LabelSet("land_cover", names, tuple((i, i, i) for i in range(5)))
    network = load_network(checkpoint)
    digest = save_network(network, SMALL_CONFIG, tmp_path / "m", labels, (257, 385))
    model = inspect_model(str(tmp_path / "m"))
    assert model.digest == digest
    assert (model.labels, model.canvas) == (labels, (257, 385))
    assert model.config == SMALL_CONFIG


@pytest.mark.parametrize(
    ("classes", "name", "said"),
    [
        (19, "cityscapes", "class names are guessed: .* cityscapes has 19 classes too"),
        (21, "voc", "class names are guessed: .* voc has 21 classes too"),
        (151, "ade20k", "class names are guessed: .* ade20k has 151 classes too"),
        (150, "150_classes", "class names are unknown: .* class_0 to class_149"),
    ],
)
def test_a_number_of_classes_is_no_proof_of_a_dataset(
    tmp_path: Path, classes: int, name: str, said: str
) -> None:
    config = replace(SMALL_CONFIG, num_classes=classes, aspp=None, decoder=None)
    model = inspect_model(str(write_small_checkpoint(tmp_path / "own", config=config)))
    assert (model.labels.name, model.canvas) == (name, (513, 513))
    guesses = dict(model.guesses)
    assert re.search(said, guesses["labels"])
    assert "513 x 513" in guesses["canvas"]


def test_what_a_graph_says_is_no_guess(mobilenet_checkpoint: Path) -> None:
    for name, stride in (("frozen_inference_graph", 16), ("frozen_inference_graph_os8", 8)):
        model = inspect_model(str(mobilenet_checkpoint / f"{name}.pb"))
        assert (model.canvas, model.output_stride) == ((513, 513), stride)
        assert [what for what, _ in model.guesses] == ["labels"]


def test_a_file_address_is_a_path(checkpoint: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(checkpoint, tmp_path / "a b")
    model = inspect_model(f"file://{tmp_path}/a%20b")
    assert model == inspect_model(str(copy))


def test_of_several_checkpoints_the_choice_is_said(checkpoint: Path, tmp_path: Path) -> None:
    for step in (0, 500, 1000):
        for file in checkpoint.iterdir():
            shutil.copy(file, tmp_path / file.name.replace("model.ckpt", f"model.ckpt-{step}"))
    (tmp_path / "checkpoint").write_text('model_checkpoint_path: "/old/home/model.ckpt-500"\n')
    assert (
        "model.ckpt-500 is taken, as the file 'checkpoint' says"
        in dict(inspect_model(str(tmp_path)).guesses)["model"]
    )


def test_a_spec_is_small_and_survives_pickling(checkpoint: Path) -> None:
    model = inspect_model(str(checkpoint))
    pickled = pickle.dumps(model)
    assert pickle.loads(pickled) == model
    assert len(pickled) < 4096


def test_a_spec_builds_its_network(checkpoint: Path) -> None:
    model = inspect_model(str(checkpoint))
    images = random_images(1, 33, 49)
    expected = np.asarray(load_network(checkpoint, 8)(images))
    network = model.load_network(8, (33, 49))
    assert network.input_shape == (None, 33, 49, 3)
    np.testing.assert_allclose(np.asarray(network(images)), expected, rtol=1e-4, atol=1e-5)


def test_weights_that_changed_since_are_refused(tmp_path: Path, checkpoint: Path) -> None:
    copy = shutil.copytree(checkpoint, tmp_path / "copy")
    model = inspect_model(str(copy))
    shutil.rmtree(copy)
    with pytest.raises(ModelNotFound):
        model.load_network(16)
    write_small_checkpoint(copy, seed=1)
    with pytest.raises(CheckpointError, match=r"put .*… back, or start a new run"):
        model.load_network(16)


def test_what_cannot_be_loaded_is_refused_before_any_worker_tries(
    tmp_path: Path, checkpoint: Path
) -> None:
    copy = shutil.copytree(checkpoint, tmp_path / "copy")
    (data,) = copy.glob("*.data-*")
    content = bytearray(data.read_bytes())
    content[len(content) // 2] ^= 1
    data.write_bytes(content)
    with pytest.raises(CheckpointError, match="cannot be read: its checksum does not fit"):
        inspect_model(str(copy))
    data.write_bytes(content[:1000])
    with pytest.raises(CheckpointError, match="do not hold"):
        inspect_model(str(copy))


def test_changed_weights_are_inspected_anew(tmp_path: Path, checkpoint: Path) -> None:
    copy = shutil.copytree(checkpoint, tmp_path / "copy")
    before = inspect_model(str(copy))
    write_small_checkpoint(copy, seed=1)
    after = inspect_model(str(copy))
    assert after.digest != before.digest
    assert after.config == before.config


_PROGRAM = """
import json, sys
from beam_deeplab.deeplab.models import inspect_model
model = inspect_model(sys.argv[1])
print(json.dumps([model.digest, sorted({"tensorflow", "keras"} & set(sys.modules))]))
"""


def test_inspecting_a_model_needs_no_tensorflow(checkpoint: Path) -> None:
    model: ModelSpec = inspect_model(str(checkpoint))
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM, str(checkpoint)],
        capture_output=True,
        check=True,
        env=os.environ,
    )
    assert json.loads(done.stdout) == [model.digest, []]
