from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from beam_deeplab.deeplab.engines import EngineError, load_engine
from beam_deeplab.deeplab.engines.openvino_engine import converted_entry, load_openvino_engine
from beam_deeplab.deeplab.models import ModelSpec, inspect_model
from tests.networks import random_images, relative_error
from tests.small_models import write_small_checkpoint

CANVAS = (49, 65)
IMAGES = random_images(7, *CANVAS)


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BEAM_DEEPLAB_CACHE", str(folder))
        yield folder


@pytest.fixture(scope="module")
def model(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> ModelSpec:
    return inspect_model(str(write_small_checkpoint(tmp_path_factory.mktemp("small"))))


@pytest.fixture(scope="module")
def expected(model: ModelSpec) -> NDArray[np.float32]:
    """What the Keras network itself answers."""
    return np.asarray(model.load_network(16, CANVAS)(IMAGES))


def logits_of(
    model: ModelSpec, precision: str = "f32", threads: int | None = None
) -> NDArray[np.float32]:
    engine = load_engine(model, CANVAS, 16, "openvino", precision, threads=threads)
    try:
        return engine(IMAGES)
    finally:
        engine.close()


@pytest.mark.slow
def test_float32_equals_the_keras_network(model: ModelSpec, expected: NDArray[np.float32]) -> None:
    logits = logits_of(model)
    assert logits.shape == (7, 13, 17, 5)
    assert logits.dtype == np.float32
    assert relative_error(logits, expected) < 1e-5


def test_bfloat16_is_computed_only_where_it_is_asked_for(
    model: ModelSpec, expected: NDArray[np.float32]
) -> None:
    try:
        logits = logits_of(model, "bf16")
    except EngineError as error:
        pytest.skip(str(error))
    assert 1e-4 < relative_error(logits, expected) < 0.1


def test_partial_batches_threads_and_streams_change_no_bit(model: ModelSpec) -> None:
    together = logits_of(model, threads=1)
    np.testing.assert_array_equal(logits_of(model, threads=3), together)
    engine = load_engine(model, CANVAS, 16, "openvino", threads=2)
    for size in (1, 2, 3, 7):
        batches = [IMAGES[first : first + size] for first in range(0, 7, size)]
        np.testing.assert_array_equal(
            np.concatenate([engine(batch) for batch in batches]), together
        )
    np.testing.assert_array_equal(engine(IMAGES[::-2]), together[::-2], "strided views")
    with ThreadPoolExecutor(8) as callers:
        picks = [np.random.default_rng(seed).integers(0, 7, 3) for seed in range(40)]
        answers = callers.map(engine, [IMAGES[pick] for pick in picks])
        for pick, answer in zip(picks, answers, strict=True):
            np.testing.assert_array_equal(answer, together[pick])
    engine.close()


def test_an_engine_says_what_computes(model: ModelSpec) -> None:
    engine = load_openvino_engine(model, CANVAS, 16, "f32", threads=2)
    assert engine.device.endswith(", 2 streams")
    engine.close()


def test_other_sizes_and_a_closed_engine_are_refused(model: ModelSpec) -> None:
    engine = load_engine(model, CANVAS, 16, "openvino")
    with pytest.raises(ValueError, match=r"images of \(49, 49, 3\), not \(49, 65, 3\)"):
        engine(random_images(1, 49, 49))
    engine.close()
    engine.close()
    with pytest.raises(RuntimeError, match="shutdown"):
        engine(IMAGES)


@pytest.mark.slow
def test_a_restored_engine_answers_the_same_bits(model: ModelSpec) -> None:
    place = converted_entry(model.digest, CANVAS, 16)
    place.discard()
    first = logits_of(model)
    kept = place.record_path.stat().st_mtime_ns
    np.testing.assert_array_equal(logits_of(model), first)
    assert place.record_path.stat().st_mtime_ns == kept


@pytest.mark.slow
def test_a_damaged_entry_is_built_anew(model: ModelSpec, caplog: pytest.LogCaptureFixture) -> None:
    first = logits_of(model)
    place = converted_entry(model.digest, CANVAS, 16)
    weights = place.folder / "network.bin"
    stored = bytearray(weights.read_bytes())
    stored[-5000] ^= 64
    weights.write_bytes(stored)
    np.testing.assert_array_equal(logits_of(model), first)
    assert "is damaged; it is made anew" in caplog.text
    assert place.checked()


def test_what_others_could_have_written_is_not_taken(
    model: ModelSpec, caplog: pytest.LogCaptureFixture
) -> None:
    first = logits_of(model)
    place = converted_entry(model.digest, CANVAS, 16)
    with place.workspace() as workspace:
        planted = Path(shutil.copytree(place.folder, workspace / "planted"))
        weights = planted / "network.bin"
        weights.write_bytes(weights.read_bytes()[:-4000] + bytes(4000))
        place.install(planted, source="elsewhere", archive_digest=None)
    assert (logits_of(model) != first).any(), "the digests alone would let it pass"
    place.shelf.chmod(0o777)
    try:
        np.testing.assert_array_equal(logits_of(model), first)
        assert f"others can write {place.shelf}" in caplog.text
    finally:
        place.shelf.chmod(0o755)
        place.discard()


def test_entries_of_other_weights_sizes_and_strides_are_others() -> None:
    digests = ("a" * 64, "a" * 63 + "b")
    paths = {
        converted_entry(digest, canvas, stride).folder
        for digest in digests
        for canvas in ((33, 65), (65, 33))
        for stride in (8, 16)
    }
    assert len(paths) == 8


def test_openvino_reports_nothing_to_its_makers() -> None:
    code = (
        "import sys, beam_deeplab.deeplab.engines.openvino_engine\n"
        "print(sorted(name for name in sys.modules if 'telemetry' in name and sys.modules[name]))"
    )
    environment = {name: value for name, value in os.environ.items() if name != "HOME"}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert "openvino_telemetry" not in done.stdout


def _as_voc_labels(
    logits: NDArray[np.float32], photos: list[NDArray[np.uint8]]
) -> list[NDArray[np.uint8]]:
    from beam_deeplab.transforms.masks.label_maps import label_map

    sizes = [(photo.shape[0], photo.shape[1]) for photo in photos]
    return [label_map(grid, 16, size, size) for grid, size in zip(logits, sizes, strict=True)]


def _mean_iou(predicted: list[NDArray[np.uint8]], truth: list[NDArray[np.uint8]]) -> float:
    confusion = np.zeros((21, 21), np.int64)
    for labels, annotated in zip(predicted, truth, strict=True):
        known = annotated != 255
        pairs = annotated[known].astype(np.int64) * 21 + labels[known]
        confusion += np.bincount(pairs, minlength=441).reshape(21, 21)
    present = confusion.sum(axis=1) > 0
    intersection = np.diag(confusion)
    union = confusion.sum(axis=0) + confusion.sum(axis=1) - intersection
    return float((intersection[present] / union[present]).mean())


@pytest.mark.slow
def test_labels_are_the_official_graphs(
    mobilenet_checkpoint: Path, shared: Path, voc_photos: list[Path]
) -> None:
    from PIL import Image

    from beam_deeplab.deeplab.quiet_tensorflow import import_tensorflow_quietly

    import_tensorflow_quietly()
    import tensorflow as tf

    some = voc_photos[::3]
    photos = [np.asarray(Image.open(path).convert("RGB")) for path in some]
    annotations = [
        annotation
        for path in some
        for annotation in (shared / "voc").glob(f"SegmentationClass*/{path.stem}.png")
    ]
    assert [path.stem for path in annotations] == [path.stem for path in some]
    truth = [np.asarray(Image.open(path)) for path in annotations]
    definition = tf.compat.v1.GraphDef()
    definition.ParseFromString((mobilenet_checkpoint / "frozen_inference_graph.pb").read_bytes())
    with tf.Graph().as_default() as graph:
        tf.import_graph_def(definition, name="")
    with tf.compat.v1.Session(graph=graph) as session:
        official = [
            session.run("SemanticPredictions:0", {"ImageTensor:0": photo[None]})[0]
            for photo in photos
        ]
    images = np.zeros((len(photos), 513, 513, 3), np.float32)
    for image, photo in zip(images, photos, strict=True):
        image[: photo.shape[0], : photo.shape[1]] = photo * np.float32(2 / 255) - 1
    model = inspect_model(str(mobilenet_checkpoint))
    for precision, least_equal in (("f32", 0.9999), ("bf16", 0.995)):
        try:
            engine = load_engine(model, (513, 513), 16, "openvino", precision)
        except EngineError as error:
            pytest.skip(f"float32 holds; bfloat16 cannot be tried: {error}")
        labels = _as_voc_labels(engine(images), photos)
        engine.close()
        equal = sum(int((a == b).sum()) for a, b in zip(labels, official, strict=True))
        assert equal / sum(map(np.size, official)) >= least_equal
        assert abs(_mean_iou(labels, truth) - _mean_iou(official, truth)) <= 0.005
