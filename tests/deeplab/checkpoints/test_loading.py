from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import tensorflow as tf
from numpy.typing import NDArray
from PIL import Image

from beam_deeplab.deeplab.architecture.layers import official_variables
from beam_deeplab.deeplab.checkpoints import CheckpointError, load_network, open_checkpoint
from tests.networks import (
    Weights,
    random_images,
    random_weights,
    relative_error,
    start_at_zero,
    write_tf1_checkpoint,
)

CANVAS = 513
PHOTOS = 4


class OfficialAnswers(NamedTuple):
    """What a frozen graph answers for each photo."""

    output_stride: int
    logits: NDArray[np.float32]
    masks: list[NDArray[np.int64]]


@pytest.fixture(autouse=True)
def weights_are_set(monkeypatch: pytest.MonkeyPatch) -> None:
    start_at_zero(monkeypatch)


@pytest.fixture(scope="module")
def pixels(voc_photos: list[Path]) -> list[NDArray[np.uint8]]:
    return [np.asarray(Image.open(photo).convert("RGB")) for photo in voc_photos[:PHOTOS]]


@pytest.fixture(
    scope="module",
    params=[(16, "frozen_inference_graph.pb"), (8, "frozen_inference_graph_os8.pb")],
    ids=["stride16", "stride8"],
)
def official(
    request: pytest.FixtureRequest, mobilenet_checkpoint: Path, pixels: list[NDArray[np.uint8]]
) -> OfficialAnswers:
    output_stride, name = request.param
    definition = tf.compat.v1.GraphDef.FromString((mobilenet_checkpoint / name).read_bytes())
    with tf.Graph().as_default() as graph:
        tf.import_graph_def(definition, name="")
    tensors = ["logits/semantic/BiasAdd:0", "SemanticPredictions:0"]
    with tf.compat.v1.Session(graph=graph) as session:
        answers = [session.run(tensors, {"ImageTensor:0": photo[None]}) for photo in pixels]
    logits = np.concatenate([answer[0] for answer in answers])
    return OfficialAnswers(output_stride, logits, [answer[1][0] for answer in answers])


def on_canvas(photo: NDArray[np.uint8]) -> NDArray[np.float32]:
    canvas = np.zeros((CANVAS, CANVAS, 3), np.float32)
    canvas[: photo.shape[0], : photo.shape[1]] = np.float32(2 / 255) * photo - 1
    return canvas


@pytest.mark.slow
def test_the_keras_network_answers_as_the_frozen_graph(
    mobilenet_checkpoint: Path, pixels: list[NDArray[np.uint8]], official: OfficialAnswers
) -> None:
    network = tf.function(load_network(mobilenet_checkpoint, official.output_stride))
    canvases = np.stack([on_canvas(photo) for photo in pixels])
    for batch in (1, 3):
        logits = np.concatenate(
            [network(tf.constant(canvases[i : i + batch])) for i in range(0, PHOTOS, batch)]
        )
        assert relative_error(logits, official.logits) < 1e-5
        enlarged = tf.compat.v1.image.resize_bilinear(logits, (CANVAS, CANVAS), align_corners=True)
        labels = np.argmax(enlarged, -1)
        agree = [
            labels[i, : mask.shape[0], : mask.shape[1]] == mask
            for i, mask in enumerate(official.masks)
        ]
        assert np.mean(np.concatenate([image.ravel() for image in agree])) >= 0.9999


def test_the_frozen_graph_gives_the_same_network_as_the_checkpoint(
    mobilenet_checkpoint: Path,
) -> None:
    images = random_images(1, 65, 81)
    frozen = load_network(mobilenet_checkpoint / "frozen_inference_graph.pb")
    np.testing.assert_array_equal(frozen(images), load_network(mobilenet_checkpoint)(images))


@pytest.fixture(scope="module")
def xception_shapes(shared: Path) -> dict[str, tuple[int, ...]]:
    listing = shared / "checkpoints" / "deeplabv3_pascal_trainval" / "variables.json"
    return {name: tuple(shape) for name, shape in json.loads(listing.read_text()).items()}


@pytest.fixture(scope="module")
def xception_weights(xception_shapes: Mapping[str, tuple[int, ...]]) -> Weights:
    return random_weights(xception_shapes)


@pytest.fixture(scope="module")
def xception_checkpoint(
    xception_weights: Weights, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    folder = tmp_path_factory.mktemp("xception")
    write_tf1_checkpoint(
        folder / "model.ckpt",
        {
            **xception_weights,
            "global_step": np.array(30000),
            "aspp0/weights/Momentum": np.zeros((1, 1, 2048, 256), np.float32),
        },
    )
    return folder


@pytest.mark.slow
def test_xception_65_has_the_official_variables_and_takes_them_all(
    xception_checkpoint: Path,
    xception_shapes: Mapping[str, tuple[int, ...]],
    xception_weights: Weights,
) -> None:
    network = load_network(xception_checkpoint, input_size=(65, 65))
    variables = official_variables(network)
    assert len(variables) == 732
    assert {name: tuple(v.shape) for name, v in variables.items()} == xception_shapes
    for name, variable in variables.items():
        np.testing.assert_array_equal(variable.numpy(), xception_weights[name])
    assert network.output_shape == (None, 17, 17, 21)


@pytest.mark.slow
@pytest.mark.parametrize("output_stride", [8, 16])
def test_xception_65_does_not_mix_a_batch(xception_checkpoint: Path, output_stride: int) -> None:
    network = load_network(xception_checkpoint, output_stride)
    images = random_images(3, 65, 97)
    together = np.asarray(network(images))
    alone = np.concatenate([np.asarray(network(images[i : i + 1])) for i in range(3)])
    assert relative_error(together, alone) < 1e-5
    np.testing.assert_array_equal(together.argmax(-1), alone.argmax(-1))
    assert len(np.unique(alone.argmax(-1))) > 3


def _mobilenet_weights(checkpoint: Path) -> dict[str, Any]:
    official = open_checkpoint(checkpoint)
    return {name: official.read(name) for name in official.shapes}


def test_what_does_not_fit_is_one_error_with_both_sides(
    mobilenet_checkpoint: Path, tmp_path: Path
) -> None:
    weights = _mobilenet_weights(mobilenet_checkpoint)
    del weights["aspp0/weights"], weights["image_pooling/BatchNorm/beta"]
    weights["decoder/extra/weights"] = np.zeros(3, np.float32)
    weights["aspp0/BatchNorm/gamma"] = np.zeros(255, np.float32)
    write_tf1_checkpoint(tmp_path / "m", weights)
    with pytest.raises(CheckpointError) as caught:
        load_network(tmp_path)
    message = str(caught.value)
    assert "2 not in the checkpoint: aspp0/weights, image_pooling/BatchNorm/beta" in message
    assert "1 not in the network: decoder/extra/weights" in message
    assert "1 of another shape: aspp0/BatchNorm/gamma (255,) for (256,)" in message
    assert "\n" not in message


def test_long_lists_of_names_are_cut(mobilenet_checkpoint: Path, tmp_path: Path) -> None:
    weights = _mobilenet_weights(mobilenet_checkpoint)
    extra = {f"extra_{index:02}": np.zeros(3, np.float32) for index in range(15)}
    write_tf1_checkpoint(tmp_path / "m", {**weights, **extra})
    with pytest.raises(
        CheckpointError, match=r"15 not in the network: extra_00, .*, extra_11 and 3 more"
    ):
        load_network(tmp_path)
