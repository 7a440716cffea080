"""``beam-deeplab export``, read back by the tools, and what becomes of one that is interrupted."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image, ImageOps
from pycocotools.coco import COCO

from beam_deeplab.deeplab.labels import ADE20K, VOC, LabelSet
from beam_deeplab.pipeline.cli import main
from beam_deeplab.transforms.decoding.resizing import turn_as_stored
from beam_deeplab.transforms.exporting.coco import Coco
from beam_deeplab.transforms.exporting.colours import with_distinct_colors
from tests import forking
from tests.exported_runs import ROOT, Labels, random_label_map, write_run

IMAGES: Mapping[str, Labels] = {
    "2008/street one.jpg": random_label_map(30, 41, 21, seed=1),
    "2008/dog.jpg": random_label_map(17, 9, 21, seed=2),
    "2008/dog.png": random_label_map(20, 20, 21, seed=3),
    "2009/ärger.jpg": random_label_map(5, 60, 21, seed=4),
    "one_pixel.jpg": np.full((1, 1), 3, np.uint8),
    "nothing.jpg": np.zeros((8, 8), np.uint8),
    "all_ignored.jpg": np.full((8, 9), 255, np.uint8),
    "turned.jpg": random_label_map(30, 12, 21, seed=5),
}
ORIENTATIONS = {"turned.jpg": 6}


@pytest.fixture(scope="module")
def voc_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("run")
    write_run(output, IMAGES, VOC, orientations=ORIENTATIONS, failed=["broken.jpg"], shard_size=3)
    return output


def run_export(run: Path, output: Path, *flags: str) -> int:
    return main(["export", str(run), "--output", str(output), "--workers=1", *flags])


def names_of(output: Path) -> dict[str, str]:
    """Names by the image's path below its collection."""
    with (output / "images.csv").open(newline="") as file:
        return {
            row["image_uri"].removeprefix(f"{ROOT}/"): row["name"] for row in csv.DictReader(file)
        }


def content_of(output: Path) -> dict[str, bytes]:
    """The files of an export, but for what says when it was made."""
    return {
        str(path.relative_to(output)): path.read_bytes()
        for path in sorted(output.rglob("*"))
        if path.is_file() and path.name not in ("export.json", "begun.json")
    }


@pytest.fixture(scope="module")
def pngs(voc_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("png") / "out"
    assert run_export(voc_run, output, "--format=png", "--quiet") == 0
    return output


def test_every_reader_of_greys_reads_the_ids(pngs: Path) -> None:
    names = names_of(pngs)
    assert names.keys() == IMAGES.keys()
    for path, labels in IMAGES.items():
        file = pngs / "SegmentationClass" / f"{names[path]}.png"
        picture = Image.open(file)
        assert picture.mode == "L"
        np.testing.assert_array_equal(np.asarray(picture), labels)
        for flag in (cv2.IMREAD_GRAYSCALE, cv2.IMREAD_UNCHANGED):
            read = cv2.imdecode(np.fromfile(file, np.uint8), flag)
            np.testing.assert_array_equal(read, labels)


def test_lists_name_images_and_classes(pngs: Path) -> None:
    listed = (pngs / "ImageSets" / "Segmentation" / "default.txt").read_text().splitlines()
    assert sorted(listed) == sorted(names_of(pngs).values())
    assert "2009/ärger" in listed
    assert "2008/street_one" in listed
    id2label = json.loads((pngs / "id2label.json").read_text())
    assert {int(label): name for label, name in id2label.items()} == dict(enumerate(VOC.names))
    classes = (pngs / "_classes.csv").read_text().splitlines()
    assert classes[:2] == ["Pixel Value, Class", "0, background"]
    assert len(classes) == 22
    assert (pngs / "labelmap.txt").read_text().splitlines()[1:3] == [
        "background:0,0,0::",
        "aeroplane:128,0,0::",
    ]


def test_the_end_says_what_is_in_it(pngs: Path) -> None:
    export = json.loads((pngs / "export.json").read_text())
    assert (export["images"], export["run"]["failures"]) == (len(IMAGES), 1)
    assert export["files"] == len(IMAGES) + 5
    assert str(pngs.parent) not in json.dumps(export)
    assert not (pngs / "attempts").exists()


def test_a_palette_has_a_colour_for_each_class(tmp_path: Path) -> None:
    labels = np.arange(151, dtype=np.uint8).reshape(1, -1)
    write_run(tmp_path / "run", {"a.jpg": labels}, ADE20K)
    assert run_export(tmp_path / "run", tmp_path / "out", "--format=png", "--palette") == 0
    picture = Image.open(tmp_path / "out" / "SegmentationClass" / "a.png")
    assert picture.mode == "P"
    np.testing.assert_array_equal(np.asarray(picture), labels)
    colours = np.asarray(picture.convert("RGB")).reshape(-1, 3)
    assert len(np.unique(colours, axis=0)) == 151
    *listed, last = (tmp_path / "out" / "labelmap.txt").read_text().splitlines()[1:]
    assert last == "ignored:224,224,192::"
    assert [line.split(":")[1] for line in listed] == [",".join(map(str, each)) for each in colours]


def test_only_colours_that_meet_are_changed() -> None:
    changed = with_distinct_colors(ADE20K)
    pairs = zip(ADE20K.palette, changed.palette, strict=True)
    differing = [label for label, (old, new) in enumerate(pairs) if old != new]
    assert len(differing) == len(ADE20K) - len(set(ADE20K.palette))
    same = LabelSet("same", tuple(map(str, range(255))), ((224, 224, 192),) * 255)
    assert len({*with_distinct_colors(same).palette, (224, 224, 192)}) == 256


def test_masks_turn_as_the_photo_is_stored(voc_run: Path, tmp_path: Path) -> None:
    assert run_export(voc_run, tmp_path / "out", "--format=png", "--orientation=stored") == 0
    photo = Image.fromarray(np.asarray(Image.open(tmp_path / "out/SegmentationClass/turned.png")))
    photo.getexif()[274] = 6
    file = io.BytesIO()
    photo.save(file, "PNG", exif=photo.getexif())
    upright = ImageOps.exif_transpose(Image.open(file))
    np.testing.assert_array_equal(np.asarray(upright), IMAGES["turned.jpg"])
    other = np.asarray(Image.open(tmp_path / "out/SegmentationClass/nothing.png"))
    np.testing.assert_array_equal(other, IMAGES["nothing.jpg"])


def test_cvat_gets_classes_and_objects(voc_run: Path, tmp_path: Path) -> None:
    assert run_export(voc_run, tmp_path / "out", "--format=cvat", "--quiet") == 0
    files = {path.name for path in (tmp_path / "out").iterdir()}
    assert files == {
        *("SegmentationClass", "SegmentationObject", "ImageSets", "labelmap.txt", "export.json"),
        ".export",
    }
    lines = (tmp_path / "out" / "labelmap.txt").read_text().splitlines()[1:]
    colours = [tuple(map(int, line.split(":")[1].split(","))) for line in lines]
    for path, labels in IMAGES.items():
        if path == "2008/dog.png":  # the other dog has the plain name
            continue
        name = path.replace(" ", "_").rpartition(".")[0]
        file = np.fromfile(tmp_path / "out" / "SegmentationClass" / f"{name}.png", np.uint8)
        read = np.asarray(cv2.imdecode(file, cv2.IMREAD_COLOR))[:, :, ::-1]
        for label in np.unique(labels[labels != 255]):
            np.testing.assert_array_equal(labels == label, (read == colours[label]).all(axis=2))
        objects = Image.open(tmp_path / "out" / "SegmentationObject" / f"{name}.png")
        is_object = (labels != 0) & (labels != 255)
        np.testing.assert_array_equal(np.asarray(objects), labels * is_object)


def test_objects_for_cvat_can_be_connected_parts(tmp_path: Path) -> None:
    dots = np.zeros((40, 60), np.uint8)
    dots[::2, ::2] = 5  # 600 parts, of one pixel each but for two
    dots[0, :9] = 5
    dots[20, :4] = 5
    write_run(tmp_path / "run", {"dots.jpg": dots, "none.jpg": IMAGES["nothing.jpg"]}, VOC)
    for flags, count in (([], 255), (["--min_region=2"], 2), (["--min_region=100"], 0)):
        output = tmp_path / str(count)
        assert run_export(tmp_path / "run", output, "--format=cvat", "--instances", *flags) == 0
        objects = np.asarray(Image.open(output / "SegmentationObject" / "dots.png"))
        assert set(np.unique(objects)) == set(range(count + 1))
        assert not np.any(objects[dots == 0])
        assert "ignored" not in (output / "labelmap.txt").read_text()
        if count:
            assert np.sum(objects == objects[0, 0]) == 9
            assert np.sum(objects == objects[20, 0]) == 5


def test_an_interrupted_export_goes_on_part_by_part(
    voc_run: Path, pngs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "out"
    broken = output / "SegmentationClass" / "one_pixel.png"
    broken.mkdir(parents=True)  # in the way of one part
    run = ["--format=png", "--quiet"]
    assert run_export(voc_run, output, *run) == 1
    assert "one_pixel.png" in capsys.readouterr().err
    assert not (output / "export.json").exists()
    (broken.parent / ".x.png.0123456789abcdef.tmp").write_bytes(b"half")
    assert run_export(voc_run, output, *run) == 2
    assert "--resume" in capsys.readouterr().err
    assert run_export(voc_run, output, "--format=cvat", "--resume") == 2
    assert "format was png, is cvat" in capsys.readouterr().err
    broken.rmdir()
    kept = {path: path.stat().st_mtime_ns for path in (output / ".export").glob("part-*")}
    assert run_export(voc_run, output, *run, "--resume") == 0
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    assert content_of(output) == content_of(pngs)
    assert run_export(voc_run, output, *run, "--resume") == 0
    assert content_of(output) == content_of(pngs)


@pytest.mark.slow
@pytest.mark.parametrize(
    "flags",
    [
        ["--workers=2", "--direct_running_mode=multi_processing"],
        ["--runner=PortableRunner", "--job_endpoint=embed", "--environment_type=LOOPBACK"],
    ],
    ids=["two-processes", "portable-loopback"],
)
def test_every_runner_writes_the_same_bytes(
    flags: list[str], coco: Path, voc_run: Path, tmp_path: Path
) -> None:
    command = ["export", str(voc_run), "--format=coco", "--panoptic", "--output", str(tmp_path)]
    done = forking.run([sys.executable, "-m", "beam_deeplab", *command, "--quiet", *flags])
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    whole, found = content_of(coco), content_of(tmp_path)
    assert found == whole


def test_what_stands_is_not_touched_unasked(
    voc_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "out"
    output.mkdir()
    (output / "own.txt").write_text("mine")
    for flags in ([], ["--overwrite"], ["--resume"]):
        assert run_export(voc_run, output, "--format=png", *flags) == 2
        assert "own.txt" in capsys.readouterr().err
    assert [path.name for path in output.iterdir()] == ["own.txt"]
    (output / "own.txt").unlink()
    assert run_export(voc_run, output, "--format=png") == 0
    (output / "own.txt").write_text("mine")
    said = capsys.readouterr()
    assert "8 images" in said.out
    assert "1 image of the run failed there" in said.err
    assert run_export(voc_run, output, "--format=png") == 2
    assert run_export(voc_run, output, "--format=cvat", "--overwrite", "--quiet") == 0
    assert not (output / "id2label.json").exists()
    assert (output / "own.txt").read_text() == "mine"


def test_what_is_no_committed_run_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for run, words in ((tmp_path / "none", "holds no run"), (tmp_path, "holds no run")):
        assert run_export(run, tmp_path / "out", "--format=png") == 2
        error = capsys.readouterr().err
        assert words in error
        assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_a_run_without_masks_becomes_an_export_without_images(tmp_path: Path) -> None:
    write_run(tmp_path / "run", {}, VOC, failed=["broken.jpg"])
    assert run_export(tmp_path / "run", tmp_path / "out", "--format=png", "--quiet") == 0
    assert (tmp_path / "out" / "ImageSets" / "Segmentation" / "default.txt").read_text() == ""
    export: dict[str, Any] = json.loads((tmp_path / "out" / "export.json").read_text())
    assert (export["images"], export["run"]["failures"]) == (0, 1)


def test_flags_of_other_formats_are_refused(
    voc_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_export(voc_run, tmp_path / "out", "--format=cvat", "--palette") == 2
    assert "--palette is a flag of --format png" in capsys.readouterr().err


def _coco(file: Path) -> COCO:
    with contextlib.redirect_stdout(io.StringIO()):
        return COCO(str(file))


@pytest.fixture(scope="module")
def coco(voc_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("coco") / "out"
    assert run_export(voc_run, output, "--format=coco", "--panoptic", "--quiet") == 0
    return output


def _stored(path: str) -> Labels:
    return turn_as_stored(IMAGES[path], ORIENTATIONS.get(path, 1))


def test_pycocotools_read_the_ids(coco: Path) -> None:
    read = _coco(coco / "annotations" / "instances_default.json")
    assert sorted(each["file_name"] for each in read.imgs.values()) == sorted(IMAGES)
    assert sorted(read.anns) == list(range(1, 1 + len(read.anns)))
    assert [read.cats[label]["name"] for label in range(1, 21)] == list(VOC.names[1:])
    assert len(read.cats) == 20
    assert read.cats[12]["supercategory"] == "animal"
    for image in read.imgs.values():
        labels = _stored(image["file_name"])
        assert (image["height"], image["width"]) == labels.shape
        found = np.zeros_like(labels)
        for annotation in read.imgToAnns[image["id"]]:
            found[read.annToMask(annotation) == 1] = annotation["category_id"]
            assert annotation["area"] == np.sum(labels == annotation["category_id"])
        np.testing.assert_array_equal(found, np.where(labels == 255, 0, labels))


def test_the_panoptic_form_holds_the_same(coco: Path) -> None:
    panoptic = json.loads((coco / "annotations" / "panoptic_default.json").read_text())
    images = {image["id"]: image for image in panoptic["images"]}
    assert {annotation["image_id"] for annotation in panoptic["annotations"]} == images.keys()
    for annotation in panoptic["annotations"]:
        file = coco / "annotations" / "panoptic_default" / annotation["file_name"]
        red, green, blue = np.moveaxis(np.asarray(Image.open(file)).astype(np.int64), 2, 0)
        numbers = red + 256 * green + 65536 * blue
        labels = _stored(images[annotation["image_id"]]["file_name"])
        found = np.zeros_like(labels)
        for segment in annotation["segments_info"]:
            assert segment["area"] == np.sum(numbers == segment["id"])
            found[numbers == segment["id"]] = segment["category_id"]
        np.testing.assert_array_equal(found, np.where(labels == 255, 0, labels))
        assert set(np.unique(numbers)) <= {0, *(each["id"] for each in annotation["segments_info"])}


def test_instances_are_connected_parts(voc_run: Path, tmp_path: Path) -> None:
    flags = ("--format=coco", "--instances", "--min_region=6", "--orientation=upright")
    assert run_export(voc_run, tmp_path / "out", *flags) == 0
    read = _coco(tmp_path / "out" / "annotations" / "instances_default.json")
    assert {category["isthing"] for category in read.cats.values()} == {1}
    for image in read.imgs.values():
        labels = IMAGES[image["file_name"]]
        assert (image["height"], image["width"]) == labels.shape
        expected = [
            (label, np.sum(parts == part))
            for label in range(1, 21)
            for count, parts in [cv2.connectedComponents((labels == label).view(np.uint8))]
            for part in range(1, count)
            if np.sum(parts == part) >= 6
        ]
        annotations = read.imgToAnns[image["id"]]
        assert [(each["category_id"], each["area"]) for each in annotations] == expected


def test_large_runs_have_several_files(
    voc_run: Path, coco: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Coco, "images_per_index", 4)
    flags = ("--format=coco", "--panoptic", "--workers=2")
    assert main(["export", str(voc_run), "--output", str(tmp_path), *flags]) == 0
    files = sorted((tmp_path / "annotations").glob("instances_*.json"))
    assert [file.name for file in files] == [
        f"instances_default-{number:05}-of-{len(files):05}.json"
        for number in range(1, 1 + len(files))
    ]
    whole = _coco(coco / "annotations" / "instances_default.json")
    images: dict[int, Any] = {}
    annotations: dict[int, Any] = {}
    for file in files:
        read = _coco(file)
        assert 0 < len(read.imgs) <= 4
        assert not images.keys() & read.imgs.keys()
        images |= read.imgs
        annotations |= read.anns
    assert (images, annotations) == (whole.imgs, whole.anns)
    pngs = [sorted(path.name for path in each.rglob("*.png")) for each in (tmp_path, coco)]
    assert pngs[0] == pngs[1]


def test_parts_too_small_are_no_classes(
    voc_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_export(voc_run, tmp_path / "out", "--format=coco", "--min_region=5") == 2
    assert "--instances" in capsys.readouterr().err
