"""``beam-deeplab evaluate`` on real photos and the official network, against direct NumPy."""

from __future__ import annotations

import io
import json
import os
import shutil
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow.parquet as pq
import pytest
from apache_beam.options.pipeline_options import PipelineOptions
from numpy.typing import NDArray
from PIL import Image

from beam_deeplab.deeplab.labels import VOC
from beam_deeplab.pipeline.cli import main
from beam_deeplab.pipeline.writers import writing
from beam_deeplab.transforms.evaluating.committing import REPORT_FILES
from tests.test_end_to_end import masks_of, rows_of, run_program

Labels = NDArray[np.uint8]
TIMINGS = {"run_id", "started", "committed", "seconds", "settings"}


def _flags(shared: Path, output: Path, *flags: str, photos: str = "*") -> list[str]:
    voc, model = shared / "voc", shared / "checkpoints" / "deeplabv3_mnv2_pascal_trainval"
    return [
        "evaluate",
        *("--input", str(voc / "JPEGImages" / f"{photos}.jpg")),
        *("--truth", str(voc / "SegmentationClassAug" / f"{photos}.png")),
        *("--model", str(model)),
        *("--output", str(output)),
        *flags,
    ]


def _metrics(output: Path) -> dict[str, Any]:
    metrics: dict[str, Any] = json.loads((output / "metrics.json").read_bytes())
    return metrics


def _rows(output: Path, name: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = pq.read_table(output / f"{name}.parquet").to_pylist()
    return rows


@pytest.fixture(scope="module")
def evaluated(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The 22 pairs, evaluated by the program with nothing but its defaults."""
    output = tmp_path_factory.mktemp("evaluation") / "out"
    done = run_program(_flags(shared, output))
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert "22 of 22 images" in done.stderr
    for words in ("Evaluated", "mIoU", "bicycle", f"Report: {output}"):
        assert words in done.stdout
    return output


@pytest.fixture(scope="module")
def segmented(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same photos, through ``segment``."""
    output = tmp_path_factory.mktemp("segmented") / "out"
    flags = _flags(shared, output, "--quiet")
    assert main(["segment", *flags[1:3], *flags[5:]]) == 0
    return output


@pytest.fixture(scope="module")
def truths(shared: Path) -> Mapping[str, Labels]:
    folder = shared / "voc" / "SegmentationClassAug"
    return {path.stem: np.asarray(Image.open(path)) for path in sorted(folder.glob("*.png"))}


def _direct(truths: Mapping[str, Labels], masks: Mapping[str, Labels]) -> NDArray[np.int64]:
    """The confusion matrix as one writes it down: a sum over masks of sets."""
    matrix = np.zeros((21, 21), np.int64)
    for name, truth in truths.items():
        valid = truth != 255
        np.add.at(matrix, (truth[valid], masks[name][valid]), 1)
    return matrix


@pytest.mark.slow
def test_the_report_equals_numpy_on_the_masks_of_segment(
    evaluated: Path, segmented: Path, truths: Mapping[str, Labels]
) -> None:
    matrix = _direct(truths, masks_of(segmented))
    union = matrix.sum(axis=0) + matrix.sum(axis=1) - matrix.diagonal()
    metrics = _metrics(evaluated)
    expected = {
        name: hits / whole if whole else None
        for name, hits, whole in zip(VOC.names, matrix.diagonal(), union, strict=True)
    }
    assert metrics["iou"].keys() == expected.keys()
    for name, iou in expected.items():
        assert metrics["iou"][name] == (None if iou is None else pytest.approx(iou, abs=1e-9))
    known = [iou for iou in expected.values() if iou is not None]
    assert metrics["miou"] == pytest.approx(np.mean(known), abs=1e-9)
    assert metrics["pixel_accuracy"] == pytest.approx(np.trace(matrix) / matrix.sum(), abs=1e-9)
    weights = matrix.sum(axis=1) / matrix.sum()
    weighted = sum(w * (expected[n] or 0) for n, w in zip(VOC.names, weights, strict=True))
    assert metrics["frequency_weighted_iou"] == pytest.approx(weighted, abs=1e-9)
    assert metrics["pixels"] == matrix.sum()
    long_form = np.array([row["pixels"] for row in _rows(evaluated, "confusion")])
    np.testing.assert_array_equal(long_form.reshape(21, 21), matrix)


def test_scores_of_each_image_are_sorted_worst_first(
    evaluated: Path, segmented: Path, truths: Mapping[str, Labels]
) -> None:
    rows = _rows(evaluated, "scores")
    assert [row["miou"] for row in rows] == sorted(row["miou"] for row in rows)
    masks = masks_of(segmented)
    assert {Path(row["image_uri"]).stem for row in rows} == truths.keys()
    for row in rows:
        name = Path(row["image_uri"]).stem
        truth, valid = truths[name], truths[name] != 255
        assert Path(row["truth_uri"]).stem == name
        assert (row["height"], row["width"]) == truth.shape
        assert row["pixels"] == valid.sum()
        correct = (masks[name] == truth)[valid].mean()
        assert row["pixel_accuracy"] == pytest.approx(correct, abs=1e-9)
        ious = {}
        for label in np.unique([*truth[valid], *masks[name][valid]]):
            both = ((truth == label) & (masks[name] == label)).sum()
            either = ((truth == label) | ((masks[name] == label) & valid)).sum()
            ious[VOC.names[label]] = both / either
        found = {each["class_name"]: each["iou"] for each in row["class_iou"]}
        assert found == pytest.approx(ious, abs=1e-9)
        assert row["miou"] == pytest.approx(np.mean(list(ious.values())), abs=1e-9)


def test_the_report_is_complete_and_nothing_else_is_left(evaluated: Path) -> None:
    names = {path.name for path in evaluated.iterdir()}
    assert names == {*REPORT_FILES, "metrics.json", "segmented"}
    assert (evaluated / "segmented" / "manifest.json").is_file()
    metrics = _metrics(evaluated)
    assert (metrics["images"], metrics["failures"], metrics["failures_by_code"]) == (22, 0, {})
    assert metrics["options"]["truth_format"] == "ids"
    named = {"images": 22, "truths": 22, "duplicates": 0, "left_out": 0, "pairs": 22}
    assert metrics["named"] == named
    assert "aeroplane" in metrics["classes_without_truth"]
    assert _rows(evaluated, "failures") == []
    picture = Image.open(evaluated / "confusion.png")
    assert min(picture.size) > 400


def test_duckdb_reads_the_report(evaluated: Path) -> None:
    (row,) = duckdb.sql(
        f"""
        select (select avg(iou) from '{evaluated}/classes.parquet'),
               (select sum(pixels) filter (where true_class = predicted_class) / sum(pixels)
                from '{evaluated}/confusion.parquet'),
               (select count(*) from '{evaluated}/failures.parquet')
        """
    ).fetchall()
    metrics = _metrics(evaluated)
    assert row == (pytest.approx(metrics["miou"]), pytest.approx(metrics["pixel_accuracy"]), 0)


def _assert_same_report(output: Path, other: Path) -> None:
    for name in REPORT_FILES:
        assert (output / name).read_bytes() == (other / name).read_bytes(), name
    one, two = _metrics(output), _metrics(other)
    assert {name: one[name] for name in one.keys() - TIMINGS} == {
        name: two[name] for name in two.keys() - TIMINGS
    }


SOME = "2008_00[2-5]*"
"""Five of the photos and of the truths."""


@pytest.fixture(scope="module")
def some_evaluated(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Their report by a single thread."""
    output = tmp_path_factory.mktemp("some") / "out"
    assert main(_flags(shared, output, "--workers=1", "--quiet", photos=SOME)) == 0
    assert _metrics(output)["images"] == 5
    return output


@pytest.mark.slow
def test_pixels_that_are_unsure_are_ignored_and_counted(
    some_evaluated: Path, truths: Mapping[str, Labels], shared: Path, tmp_path: Path
) -> None:
    output, asked = tmp_path / "out", "--ignore_below=0.9"
    assert main(_flags(shared, output, asked, "--workers=1", "--quiet", photos=SOME)) == 0
    whole, masks = (masks_of(each / "segmented") for each in (some_evaluated, output))
    images = {Path(row["name"]).stem: row for row in rows_of(output / "segmented", "images")}
    unscored = 0
    for name, mask in masks.items():
        ignored = mask == 255
        np.testing.assert_array_equal(mask[~ignored], whole[name][~ignored])
        assert 0 < ignored.mean() < 0.5
        assert images[name]["ignored"] == pytest.approx(ignored.mean())
        assert 0.9 <= images[name]["confidence"] <= 1
        unscored += int((ignored & (truths[name] != 255)).sum())
    metrics, before = _metrics(output), _metrics(some_evaluated)
    assert metrics["ignored_pixels"] == unscored == before["pixels"] - metrics["pixels"]
    assert metrics["pixel_accuracy"] > before["pixel_accuracy"]
    manifest = json.loads((output / "segmented" / "manifest.json").read_bytes())
    ignored_pixels = sum(int((mask == 255).sum()) for mask in masks.values())
    assert manifest["counts"]["ignored_pixels"] == ignored_pixels
    pixels = sum(manifest["class_pixels"].values()) + ignored_pixels
    assert pixels == sum(mask.size for mask in masks.values())


@pytest.mark.slow
@pytest.mark.parametrize(
    "flags",
    [
        ["--workers=2"],
        ["--workers=2", "--direct_running_mode=multi_processing"],
        ["--runner=PortableRunner", "--job_endpoint=embed", "--environment_type=LOOPBACK"],
    ],
    ids=["two-threads", "two-processes", "portable-loopback"],
)
def test_every_runner_writes_the_same_bytes(
    flags: list[str], some_evaluated: Path, shared: Path, tmp_path: Path
) -> None:
    done = run_program(_flags(shared, tmp_path / "out", *flags, "--quiet", photos=SOME))
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    _assert_same_report(tmp_path / "out", some_evaluated)


def test_the_masks_of_an_earlier_run_score_the_same(
    evaluated: Path, segmented: Path, shared: Path, tmp_path: Path
) -> None:
    output = tmp_path / "out"
    truth = str(shared / "voc" / "SegmentationClassAug")
    flags = ["--segmented", str(segmented), "--truth", truth, "--output", str(output), "--quiet"]
    assert main(["evaluate", *flags]) == 0
    _assert_same_report(output, evaluated)


@pytest.mark.slow
def test_a_list_of_pairs_scores_the_same(evaluated: Path, shared: Path, tmp_path: Path) -> None:
    photos = sorted((shared / "voc" / "JPEGImages").glob("*.jpg"))
    folder = shared / "voc" / "SegmentationClassAug"
    lines = [f"{folder / photo.stem}.png,{photo}" for photo in photos]
    (tmp_path / "pairs.csv").write_text("\n".join(["truth_uri,image_uri", *lines]))
    output = tmp_path / "out"
    flags = _flags(shared, output, "--quiet")
    assert main(["evaluate", "--input", str(tmp_path / "pairs.csv"), *flags[5:]]) == 0
    _assert_same_report(output, evaluated)


@pytest.fixture(scope="module")
def faulty(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Three sound pairs among one of each fault; the folders of images and of truths."""
    root = tmp_path_factory.mktemp("faulty")
    images, truth = root / "images", root / "truth"
    images.mkdir()
    truth.mkdir()
    photos = sorted((shared / "voc" / "JPEGImages").glob("*.jpg"))[:12]
    names = [
        "sound_0", "sound_1", "turned", "no_truth", "size", "class", "unreadable", "jpeg",
        "broken_image", "twice", "colours", "cut",
    ]  # fmt: skip
    for name, photo in zip(names, photos, strict=True):
        shutil.copy(photo, images / f"{name}.jpg")
        shutil.copy(
            shared / "voc" / "SegmentationClassAug" / f"{photo.stem}.png", truth / f"{name}.png"
        )
    (truth / "no_truth.png").unlink()
    shutil.copy(truth / "sound_0.png", truth / "no_image.png")
    shutil.copy(truth / "twice.png", truth / "twice.PNG")
    with Image.open(truth / "size.png") as picture:
        picture.crop((0, 0, picture.width, picture.height - 1)).save(truth / "size.png")
    with Image.open(truth / "class.png") as picture:
        values = np.asarray(picture).copy()
        values[0, 0] = 21
        Image.fromarray(values).save(truth / "class.png")
    (truth / "unreadable.png").write_bytes(b"")
    shutil.copy(photos[0], truth / "jpeg.png")
    (images / "broken_image.jpg").write_bytes(b"\xff\xd8 no photo")
    with Image.open(truth / "colours.png") as picture:
        Image.new("RGB", picture.size, (255, 0, 255)).save(truth / "colours.png")
    (truth / "cut.png").write_bytes((truth / "cut.png").read_bytes()[:-40])
    with Image.open(images / "turned.jpg") as picture:
        exif = Image.Exif()
        exif[274] = 6
        turned = picture.transpose(Image.Transpose.ROTATE_90)
        turned.save(images / "turned.jpg", exif=exif, quality=95)
    return images, truth


CODES = {
    "no_truth": "MISSING_TRUTH",
    "no_image": "MISSING_IMAGE",
    "size": "TRUTH_SIZE",
    "class": "TRUTH_CLASS",
    "unreadable": "TRUTH_UNREADABLE",
    "jpeg": "TRUTH_UNREADABLE",
    "colours": "TRUTH_CLASS",
    "cut": "TRUTH_UNREADABLE",
    "broken_image": "CORRUPT",
}


def _check_faulty(output: Path, metrics: dict[str, Any]) -> None:
    scored = {Path(row["image_uri"]).stem for row in _rows(output, "scores")}
    assert scored == {"sound_0", "sound_1", "turned"}
    failures = _rows(output, "failures")
    codes = {
        Path(row["image_uri"] or row["truth_uri"]).stem: row["code"]
        for row in failures
        if row["code"] != "AMBIGUOUS"
    }
    assert codes == CODES
    twice = [row["image_uri"] or row["truth_uri"] for row in failures if row["code"] == "AMBIGUOUS"]
    assert sorted(Path(uri).name for uri in twice) == ["twice.PNG", "twice.jpg", "twice.png"]
    assert len(failures) == len(CODES) + 3
    assert all(row["message"] and "\n" not in row["message"] for row in failures)
    assert metrics["failures_by_code"] == Counter(row["code"] for row in failures)
    assert metrics["images"] == 3


@pytest.mark.slow
def test_each_fault_is_a_failure_with_its_code(
    faulty: tuple[Path, Path],
    mobilenet_checkpoint: Path,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    images, truth = faulty
    output = tmp_path / "out"
    pairs = ["--input", str(images / "*.jpg"), "--truth", str(truth / "*"), "--output", str(output)]
    model = ["--model", str(mobilenet_checkpoint), "--canvas", "129", "129", "--quiet"]
    assert main(["evaluate", *pairs, *model]) == 1
    *_, missing, line = capfd.readouterr().err.strip().splitlines()
    assert "classes have no pixel in the truth" in missing
    assert "12 of 15 images and truths could not be scored" in line
    assert f"{output}/failures.parquet" in line
    _check_faulty(output, _metrics(output))

    assert main(["evaluate", *pairs, *model, "--overwrite", "--max_failure_fraction=1"]) == 0

    run = tmp_path / "run"
    segment = ["segment", "--input", str(images / "*.jpg"), "--output", str(run), *model]
    assert main([*segment, "--max_failure_fraction=1"]) == 0
    again = tmp_path / "again"
    source = ["--segmented", str(run), "--truth", str(truth / "*"), "--output", str(again)]
    assert main(["evaluate", *source, "--quiet", "--max_failure_fraction=1"]) == 0
    _check_faulty(again, _metrics(again))
    for name in ("scores.parquet", "classes.parquet", "confusion.png"):
        assert (again / name).read_bytes() == (output / name).read_bytes()


def _cityscapes(folder: Path) -> None:
    """A street of noise, and its truth in both kinds of ids."""
    rng = np.random.default_rng(5)
    noise = rng.integers(0, 256, (60, 90, 3), dtype=np.uint8)
    Image.fromarray(noise).save(folder / "a_000000_000001_leftImg8bit.png")
    official = rng.choice(np.array([0, 7, 11, 23, 26], np.uint8), (60, 90))
    Image.fromarray(official).save(folder / "a_000000_000001_gtFine_labelIds.png")
    train = np.array([255, *range(1, 256)], np.uint8)
    train[[7, 11, 23, 26]] = [0, 2, 10, 13]
    Image.fromarray(train[official]).save(folder / "a_000000_000001_gtFine_labelTrainIds.png")


@pytest.mark.slow
def test_official_ids_of_cityscapes_score_as_train_ids(tmp_path: Path) -> None:
    from dataclasses import replace

    from tests.small_models import SMALL_CONFIG, write_small_checkpoint

    model = write_small_checkpoint(tmp_path / "m", config=replace(SMALL_CONFIG, num_classes=19))
    data = tmp_path / "data"
    data.mkdir()
    _cityscapes(data)
    found = []
    for kind, truth_format in (("labelIds", "cityscapes"), ("labelTrainIds", "ids")):
        output = tmp_path / kind
        source = [
            "--input",
            str(data / "*_leftImg8bit.png"),
            "--truth",
            str(data / f"*_{kind}.png"),
        ]
        flags = ["--model", str(model), "--canvas", "65", "97", "--output", str(output), "--quiet"]
        assert main(["evaluate", *source, *flags]) == 0
        metrics = _metrics(output)
        assert metrics["options"]["truth_format"] == truth_format
        found.append((metrics["iou"], metrics["pixels"]))
    assert found[0] == found[1]
    truth = np.asarray(Image.open(data / "a_000000_000001_gtFine_labelIds.png"))
    assert found[0][1] == (truth > 0).sum()


@pytest.fixture
def places(shared: Path, segmented: Path, tmp_path: Path) -> Mapping[str, str]:
    """What a user may name."""
    return {
        "images": str(shared / "voc" / "JPEGImages"),
        "truths": str(shared / "voc" / "SegmentationClassAug"),
        "empty": str(tmp_path),
        "run": str(segmented),
    }


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--input", "{images}"], "--truth is missing, and {images} is no .csv"),
        (["--truth", "{truths}"], "--input is missing"),
        (["--input", "{images}", "--truth", "{truths}"], "--model is missing"),
        (["--input", "{images}", "--truth", "{empty}", "--model", "m"], "no image matches"),
        (["--input", "{empty}", "--truth", "{truths}", "--model", "m"], "no image matches"),
        (
            ["--input", "{images}", "--truth", "{truths}", "{empty}", "--model", "m"],
            "--truth {empty}: no image matches",
        ),
        (
            ["--input", "{images}", "--truth", "{truths}", "--truth_suffix", "_x", "--model", "m"],
            "no image has a truth",
        ),
        (
            ["--segmented", "{run}", "--truth", "{truths}", "--ignore_label", "65536"],
            "no pixel has the value 65536",
        ),
        (["--segmented", "{run}", "--input", "{images}"], "leave --input out"),
        (["--segmented", "{run}"], "--truth is missing"),
        (["--segmented", "{empty}", "--truth", "{truths}"], "holds no run"),
        (
            ["--segmented", "{run}", "--truth", "{truths}", "--model", "m", "--canvas", "9", "9"],
            "leave --model, --canvas out",
        ),
        (
            ["--segmented", "{run}", "--truth", "{truths}", "--truth_format=ade20k"],
            "suits models of 150 or 151 classes, not of 21",
        ),
    ],
)
def test_wrong_flags_are_one_line_and_exit_code_2(
    flags: list[str],
    words: str,
    places: Mapping[str, str],
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    arguments = [flag.format(**places) for flag in flags]
    assert main(["evaluate", *arguments, "--output", str(tmp_path / "out")]) == 2
    (line,) = capfd.readouterr().err.strip().splitlines()
    assert words.format(**places) in line
    assert not (tmp_path / "out").exists()


def test_outputs_that_hold_something_are_refused(
    evaluated: Path, segmented: Path, shared: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    before = {path: path.read_bytes() for path in evaluated.iterdir() if path.is_file()}
    assert main(_flags(shared, evaluated)) == 2
    assert "holds an evaluation" in capfd.readouterr().err
    assert {path: path.read_bytes() for path in evaluated.iterdir() if path.is_file()} == before
    assert main(_flags(shared, segmented, "--overwrite")) == 2
    assert "holds a run of `segment`" in capfd.readouterr().err


def test_an_output_that_another_run_scores_into_is_refused(
    evaluated: Path, shared: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    held = writing(str(evaluated), PipelineOptions([]), "2026-01-01", frozenset())
    before = {path: path.read_bytes() for path in evaluated.iterdir() if path.is_file()}
    with held:
        for flag in ("--resume", "--overwrite"):
            assert main(_flags(shared, evaluated, flag)) == 2
            (line,) = capfd.readouterr().err.strip().splitlines()
            assert f"process {os.getpid()} on " in line
            assert line.endswith("let it end, or end it first")
    assert {path: path.read_bytes() for path in evaluated.iterdir() if path.is_file()} == before


def test_overwriting_spares_what_is_not_ours(
    shared: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "metrics.json").write_text('{"accuracy": 1}')
    (tmp_path / "scores.parquet").write_text("mine")
    assert main(_flags(shared, tmp_path, "--overwrite")) == 2
    assert "is not a file of beam-deeplab" in capfd.readouterr().err
    assert (tmp_path / "scores.parquet").read_text() == "mine"


def test_a_damaged_part_of_an_earlier_run_ends_the_evaluation_in_one_line(
    segmented: Path, shared: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    shutil.copytree(segmented, run)
    part = next((run / "masks").glob("*.parquet"))
    part.unlink()
    truth = str(shared / "voc" / "SegmentationClassAug")
    output = ["--output", str(tmp_path / "out"), "--quiet"]
    assert main(["evaluate", "--segmented", str(run), "--truth", truth, *output]) == 2
    (line,) = capfd.readouterr().err.strip().splitlines()
    assert part.name in line
    assert not (tmp_path / "out" / "metrics.json").exists()


def _people_as_dogs(shared: Path, folder: Path) -> Path:
    folder.mkdir()
    for path in (shared / "voc" / "SegmentationClassAug").glob("*.png"):
        with Image.open(path) as picture:
            ids = np.asarray(picture).copy()
        ids[ids == 15] = 12
        Image.fromarray(ids).save(folder / path.name)
    return folder


def test_another_truth_costs_no_inference(
    evaluated: Path, shared: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "out"
    shutil.copytree(evaluated, output)
    times = {path: path.stat().st_mtime_ns for path in (output / "segmented/masks").iterdir()}
    truth = _people_as_dogs(shared, tmp_path / "truth")
    flags = _flags(shared, output, "--quiet", "--resume", "--ignore_label", "20")
    flags[flags.index("--truth") + 1] = str(truth)
    assert main(flags) == 0
    assert "classes have no pixel in the truth: " in capfd.readouterr().err
    assert {path: path.stat().st_mtime_ns for path in times} == times
    counts = json.loads((output / "segmented" / "manifest.json").read_bytes())["counts"]
    assert (counts["planned"], counts["skipped"]) == (0, 22)
    metrics = _metrics(output)
    assert metrics["iou"]["person"] == 0
    assert metrics["iou"]["dog"] < _metrics(evaluated)["iou"]["dog"]
    assert metrics["options"]["ignore_labels"] == [20]
    assert "person" in metrics["classes_without_truth"]


@pytest.mark.slow
def test_an_evaluation_that_ended_early_is_resumed(
    evaluated: Path, shared: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "out"
    shutil.copytree(evaluated, output)
    (output / "metrics.json").unlink()
    (output / "segmented" / "manifest.json").unlink()
    shutil.rmtree(output / "segmented" / "masks")
    assert main(_flags(shared, output, "--quiet")) == 2
    assert "holds an evaluation that did not end: --resume" in capfd.readouterr().err
    assert main(_flags(shared, output, "--quiet", "--resume")) == 0
    _assert_same_report(output, evaluated)


@pytest.mark.parametrize(
    "flags",
    [
        ["--truth", "/nowhere"],
        ["--model", "/nowhere"],
        ["--truth_format", "ade20k"],
        ["--canvas", "12", "12"],
        ["--runner", "DataflowRunner"],
    ],
)
def test_nothing_is_removed_before_all_is_checked(
    flags: list[str],
    evaluated: Path,
    shared: Path,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    output = tmp_path / "out"
    shutil.copytree(evaluated, output)
    before = {path: path.read_bytes() for path in output.rglob("*") if path.is_file()}
    assert main([*_flags(shared, output, "--overwrite"), *flags]) == 2
    assert "Traceback" not in capfd.readouterr().err
    assert {path: path.read_bytes() for path in output.rglob("*") if path.is_file()} == before


@pytest.mark.slow
def test_what_is_left_out_is_said_and_the_own_output_is_no_input(
    shared: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / "data"
    for name in ("images", "truth"):
        (data / name).mkdir(parents=True)
    for photo in sorted((shared / "voc" / "JPEGImages").glob("*.jpg"))[:2]:
        shutil.copy(photo, data / "images")
        mask = shared / "voc" / "SegmentationClassAug" / f"{photo.stem}.png"
        for ending in ("", "_color", "_instanceIds"):
            shutil.copy(mask, data / "truth" / f"{photo.stem}{ending}.png")
    (data / "images" / "notes.txt").write_text("x")
    output = data / "images" / "report"
    flags = _flags(shared, output, "--canvas", "129", "129")
    flags[flags.index("--input") + 1] = str(data / "images")
    flags[flags.index("--truth") + 1] = str(data / "truth")
    for again in ([], ["--resume"], ["--overwrite"]):
        assert main([*flags, *again]) == 0
        assert "left out: 1 .txt" in capfd.readouterr().err
        named = {"images": 2, "truths": 6, "duplicates": 0, "pairs": 2}
        found = _metrics(output)["named"]
        assert {name: found[name] for name in named} == named
        assert found["left_out"] >= 5


def test_truth_of_other_classes_is_refused_before_any_inference(
    shared: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    truth = tmp_path / "truth"
    truth.mkdir()
    for path in (shared / "voc" / "SegmentationClassAug").glob("*.png"):
        with Image.open(path) as picture:
            Image.fromarray(np.full(picture.size[::-1], 77, np.uint8)).save(truth / path.name)
    flags = _flags(shared, tmp_path / "out")
    flags[flags.index("--truth") + 1] = str(truth)
    assert main(flags) == 2
    *_, line = capfd.readouterr().err.strip().splitlines()
    assert "does not look like the model's 21 classes" in line
    assert "holds the values 77" in line
    assert not (tmp_path / "out").exists()


def test_masks_are_png_of_the_served_palette(segmented: Path) -> None:
    """What is scored are the masks that users get: indexed, at the photo's size."""
    row = pq.read_table(next((segmented / "masks").glob("*.parquet"))).to_pylist()[0]
    with Image.open(io.BytesIO(row["mask"]["bytes"])) as picture:
        assert (picture.mode, picture.size) == ("P", (row["width"], row["height"]))
