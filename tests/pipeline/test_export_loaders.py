"""Exports to Label Studio and to Hugging Face, as their own tools load them."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageOps

from beam_deeplab.deeplab.labels import ADE20K, LABEL_SETS, VOC
from beam_deeplab.pipeline.cli import main
from tests.exported_runs import Labels, random_label_map, write_run
from tests.transforms.exporting.test_label_studio import decode_brush

datasets = pytest.importorskip("datasets")
pillow_heif = pytest.importorskip("pillow_heif")

MASKS: Mapping[str, Labels] = {
    "a/photo.jpg": random_label_map(31, 40, 21, seed=1),
    "a/photo.png": random_label_map(17, 9, 21, seed=2),
    "a/turned.jpg": random_label_map(40, 24, 21, seed=3),
    "a/turned.heic": random_label_map(64, 48, 21, seed=4),
    "a/ärger.webp": random_label_map(20, 20, 21, seed=5),
    "nothing.jpg": np.zeros((8, 8), np.uint8),
    "ignored.jpg": np.full((8, 9), 255, np.uint8),
}
UNREADABLE: Mapping[str, Labels] = {
    "gone.jpg": np.zeros((5, 5), np.uint8),
    "other.jpg": np.zeros((5, 5), np.uint8),
    "torn.jpg": np.zeros((5, 5), np.uint8),
}
ORIENTATIONS = {"a/turned.jpg": 6, "a/turned.heic": 6}


def _write_photos(folder: Path) -> None:
    """Of the masks' sizes where they are upright."""
    (folder / "a").mkdir(parents=True)
    for path, mask in MASKS.items():
        rng = np.random.default_rng(len(path))
        coarse = rng.integers(0, 256, (3, 4, 3), np.uint8)
        height, width = mask.shape
        turned = ORIENTATIONS.get(path, 1)
        exif = Image.Exif()
        exif[0x0112] = turned
        size = (height, width) if turned == 6 else (width, height)
        photo = Image.fromarray(coarse).resize(size)
        if path.endswith(".heic"):
            pillow_heif.from_pillow(photo).save(folder / path, exif=exif.tobytes(), quality=90)
        else:
            photo.save(folder / path, exif=exif)
    Image.new("RGB", (7, 5)).save(folder / "other.jpg")
    (folder / "torn.jpg").write_bytes((folder / "a/photo.jpg").read_bytes()[:120])


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("loaders")
    _write_photos(folder / "photos")
    write_run(
        folder / "run",
        {**MASKS, **UNREADABLE},
        VOC,
        orientations=ORIENTATIONS,
        root=str(folder / "photos"),
        version="",
    )
    return folder / "run"


def _export(run: Path, output: Path, form: str) -> Path:
    assert (
        main(["export", str(run), f"--format={form}", "--output", str(output), "--workers=1"]) == 0
    )
    return output


@pytest.fixture(scope="module")
def hugging_face(run: Path) -> Path:
    return _export(run, run.parent / "huggingface", "huggingface")


def test_load_dataset_gives_images_and_labels_of_one_size(
    hugging_face: Path, tmp_path: Path
) -> None:
    loaded = datasets.load_dataset(str(hugging_face), split="train", cache_dir=str(tmp_path))
    assert loaded.num_rows == len(MASKS)
    photos = hugging_face.parent / "photos"
    for row in loaded:
        path = str(Path(row["image_uri"]).relative_to(photos))
        np.testing.assert_array_equal(np.asarray(row["label"]), MASKS[path])
        assert row["image"].size == row["label"].size
        if path.endswith(".heic"):
            heif = pillow_heif.open_heif(photos / path)  # upright already
            expected = Image.frombytes(
                heif.mode, heif.size, heif.data, "raw", heif.mode, heif.stride
            )
        else:
            expected = ImageOps.exif_transpose(Image.open(photos / path))
        np.testing.assert_array_equal(np.asarray(row["image"].convert("RGB")), np.asarray(expected))
    names = json.loads((hugging_face / "id2label.json").read_text())
    assert list(names.values()) == list(VOC.names)


def test_images_that_cannot_be_read_again_are_counted_and_named(hugging_face: Path) -> None:
    with (hugging_face / "unreadable.csv").open(newline="") as file:
        codes = {Path(row["image_uri"]).name: row["code"] for row in csv.DictReader(file)}
    assert codes == {"gone.jpg": "NOT_FOUND", "other.jpg": "CHANGED", "torn.jpg": "CORRUPT"}
    export = json.loads((hugging_face / "export.json").read_bytes())
    assert (export["images"], export["unreadable"]) == (10, 3)


def test_that_images_are_missing_is_said(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _export(run, tmp_path / "out", "huggingface")
    assert "3 of them could not be read again" in capsys.readouterr().err


def test_an_image_that_has_changed_is_not_taken_for_the_one_that_was_segmented(
    run: Path, tmp_path: Path
) -> None:
    root = str(run.parent / "photos")
    write_run(
        tmp_path / "run", {"nothing.jpg": MASKS["nothing.jpg"]}, VOC, root=root, version="9-9"
    )
    output = _export(tmp_path / "run", tmp_path / "out", "huggingface")
    assert not (output / "data").exists()
    assert "CHANGED" in (output / "unreadable.csv").read_text()


@pytest.fixture(scope="module")
def label_studio(run: Path) -> Path:
    return _export(run, run.parent / "label-studio", "label-studio")


def _tasks(output: Path) -> Iterator[dict[str, Any]]:
    for file in sorted((output / "tasks").iterdir()):
        yield from json.loads(file.read_bytes())


def _painted(task: dict[str, Any], shape: tuple[int, int]) -> Labels:
    labels: NDArray[np.uint8] = np.zeros(shape, np.uint8)
    (prediction,) = task["predictions"]
    for region in prediction["result"]:
        assert (region["original_height"], region["original_width"]) == shape
        (name,) = region["value"]["brushlabels"]
        inside = decode_brush(region["value"]["rle"]).reshape(*shape, 4)[..., 3] > 0
        assert not labels[inside].any()
        labels[inside] = VOC.names.index(name)
    return labels


def test_tasks_hold_every_class_but_the_background(label_studio: Path) -> None:
    tasks = list(_tasks(label_studio))
    masks = {**MASKS, **UNREADABLE}
    assert len(tasks) == len(masks)
    for task in tasks:
        path = str(Path(task["data"]["image"]).relative_to(label_studio.parent / "photos"))
        mask = masks[path]
        known = np.where(mask == 255, 0, mask)
        np.testing.assert_array_equal(_painted(task, mask.shape), known)


def test_the_interface_names_what_tasks_predict(label_studio: Path) -> None:
    view = ET.parse(label_studio / "label_config.xml").getroot()
    (brush,) = view.findall("BrushLabels")
    assert brush.get("toName") == view.findall("Image")[0].get("name") == "image"
    assert [label.get("value") for label in brush] == list(VOC.names[1:])


def test_colours_of_the_interface_are_distinct(tmp_path: Path) -> None:
    write_run(tmp_path / "run", {"a.jpg": random_label_map(9, 9, 151)}, ADE20K)
    output = _export(tmp_path / "run", tmp_path / "out", "label-studio")
    labels = list(ET.parse(output / "label_config.xml").getroot().iter("Label"))
    assert len({label.get("background") for label in labels}) == len(labels) == 150


_READER = """
import json, pathlib, sys
import numpy as np
from label_studio_sdk.converter.brush import decode_rle
from PIL import Image
folder, truth, names = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), sys.argv[3].split(",")
tasks = [task for file in folder.iterdir() for task in json.loads(file.read_bytes())]
for task in tasks:
    expected = np.asarray(Image.open(truth / (task["data"]["name"] + ".png")))
    labels = np.zeros(expected.size, np.uint8)
    for region in task["predictions"][0]["result"]:
        inside = decode_rle(region["value"]["rle"])[3::4] > 0
        labels[inside] = names.index(region["value"]["brushlabels"][0])
    assert (labels == np.where(expected == 255, 0, expected).ravel()).all(), task["data"]
print(len(tasks))
"""


@pytest.fixture(scope="module", params=["voc", "scenes"])
def collection(
    request: pytest.FixtureRequest, shared: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Path, Path, str]:
    """The 22 photos, or 200 scenes: a run of their truth, images, truth, and the label set."""
    folder = tmp_path_factory.mktemp(request.param)
    images, truth = shared / "voc" / "JPEGImages", shared / "voc" / "SegmentationClassAug"
    if request.param == "scenes":
        images, truth = folder / "images", folder / "truth"
        flags = ["--output", str(images), "--truth", str(truth), "--size", "64", "128"]
        assert main(["demo-data", "--count=200", *flags]) == 0
    masks = {
        path.name: np.asarray(Image.open(truth / f"{path.stem}.png"))
        for path in sorted(images.iterdir())
    }
    labels = LABEL_SETS[request.param]
    write_run(folder / "run", masks, labels, root=str(images), version="", shard_size=50)
    return folder / "run", images, truth, request.param


@pytest.mark.slow
def test_hugging_face_loads_photos_and_scenes(
    collection: tuple[Path, Path, Path, str], tmp_path: Path
) -> None:
    run, images, truth, _ = collection
    output = _export(run, tmp_path / "out", "huggingface")
    loaded = datasets.load_dataset(str(output), split="train", cache_dir=str(tmp_path / "cache"))
    assert loaded.num_rows == len(list(images.iterdir()))
    for row in loaded:
        expected = np.asarray(Image.open(truth / f"{Path(row['image_uri']).stem}.png"))
        np.testing.assert_array_equal(np.asarray(row["label"]), expected)
        photo = ImageOps.exif_transpose(Image.open(row["image_uri"]))
        np.testing.assert_array_equal(np.asarray(row["image"]), np.asarray(photo))


@pytest.mark.slow
def test_label_studio_s_own_converter_reads_photos_and_scenes(
    collection: tuple[Path, Path, Path, str], tmp_path: Path
) -> None:
    """It wants another NumPy than ours, so it runs in an environment of its own."""
    run, images, truth, name = collection
    output = _export(run, tmp_path / "out", "label-studio")
    uv = (sys.executable, "-m", "uv", "run", "--no-project", "--python", sys.executable)
    tools = (*uv, "--with", "label-studio-sdk", "python", "-c")
    fetched = subprocess.run([*tools, "import label_studio_sdk"], capture_output=True, check=False)
    if fetched.returncode:
        pytest.skip(f"label-studio-sdk cannot be fetched: {fetched.stderr.decode()[-200:]}")
    arguments = (str(output / "tasks"), str(truth), ",".join(LABEL_SETS[name].names))
    done = subprocess.run(
        [*tools, _READER, *arguments], capture_output=True, text=True, check=False
    )
    expected = (0, f"{len(list(images.iterdir()))}\n")
    assert (done.returncode, done.stdout) == expected, done.stderr
