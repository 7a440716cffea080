"""``render`` on demo scenes and the bundled model, from the command line to the rows."""

from __future__ import annotations

import csv
import shutil
from io import BytesIO
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from beam_deeplab.deeplab.labels import ADE20K, CITYSCAPES, VOC
from beam_deeplab.pipeline.cli import main
from beam_deeplab.pipeline.options import UsageError
from beam_deeplab.pipeline.render import subject_classes
from beam_deeplab.transforms.runs.manifest import Manifest


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four scenes, one of them turned by its Exif, and a file that is no picture."""
    folder = tmp_path_factory.mktemp("scenes") / "images"
    assert main(["demo-data", "--count", "4", "--seed", "3", "--output", str(folder)]) == 0
    first = min(folder.iterdir())
    exif = Image.Exif()
    exif[274] = 6
    with Image.open(first) as image:
        turned = image.convert("RGB").transpose(Image.Transpose.ROTATE_90)
    turned.save(folder / "turned.jpg", exif=exif, quality=95)
    (folder / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 no picture")
    return folder


def _render(scenes: Path, output: Path, *flags: str) -> int:
    arguments = ["--input", str(scenes), "--output", str(output), "--model", "emoji_scenes"]
    return main(["render", *arguments, "--max_failure_fraction", "0.5", "--quiet", *flags])


@pytest.fixture(scope="module")
def portraits(scenes: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("portraits")
    assert _render(scenes, output, "--effect", "portrait", "--image_format", "png") == 0
    return output


def _pixels(content: bytes | Path) -> np.ndarray:
    with Image.open(BytesIO(content) if isinstance(content, bytes) else content) as image:
        return np.asarray(image)


@pytest.mark.slow
def test_each_image_is_a_picture_or_a_failure(scenes: Path, portraits: Path) -> None:
    renders = pq.read_table(portraits / "renders").to_pylist()
    assert {Path(row["image_uri"]).name for row in renders} == {
        path.name for path in scenes.iterdir() if path.name != "broken.jpg"
    }
    for row in renders:
        assert row["effect"] in ("portrait", "none")
        assert (row["effect"] == "none") == (row["subject_fraction"] < 0.01)
        rendered = _pixels(row["image"]["bytes"])
        assert rendered.shape == (row["height"], row["width"], 3)
        if row["orientation"] == 1:
            is_same = np.array_equal(rendered, _pixels(Path(row["image_uri"]))[..., :3])
            assert is_same == (row["effect"] == "none")
    (failure,) = pq.read_table(portraits / "failures").to_pylist()
    assert (Path(failure["image_uri"]).name, failure["stage"]) == ("broken.jpg", "decode")


@pytest.mark.slow
def test_the_manifest_counts_them(portraits: Path) -> None:
    manifest = Manifest.from_json((portraits / "manifest.json").read_bytes())
    effects = pq.read_table(portraits / "renders").column("effect").to_pylist()
    assert manifest.dataset == "renders"
    assert (manifest.counts["total_renders"], manifest.counts["total_failures"]) == (5, 1)
    assert manifest.counts["unchanged"] == effects.count("none") < 5
    assert manifest.options["subject"] == ["person", "animal"]
    images = pq.read_table(portraits / "images").to_pylist()
    assert [row["status"] for row in images].count("done") == 5


@pytest.mark.slow
def test_a_resume_renders_what_is_new_under_the_same_options_only(
    scenes: Path, portraits: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output, more = tmp_path / "out", tmp_path / "more"
    shutil.copytree(portraits, output)
    shutil.copytree(scenes, more)
    flags = ("--effect", "portrait", "--image_format", "png", "--resume")
    assert _render(scenes, output, *flags, "--strength", "0.7") == 2
    assert "strength was 0.5, is 0.7" in capsys.readouterr().err
    arguments = ["--input", str(scenes), str(more / "turned.jpg"), "--output", str(output)]
    arguments += ["--quiet", "--max_failure_fraction", "0.5", "--model", "emoji_scenes"]
    assert main(["render", *arguments, *flags]) == 0
    counts = Manifest.from_json((output / "manifest.json").read_bytes()).counts
    assert (counts["skipped"], counts["planned"]) == (5, 2)
    assert counts["total_renders"] == 6


@pytest.mark.slow
def test_other_commands_say_that_there_are_no_masks(
    portraits: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [str(portraits), "--format", "png", "--output", str(tmp_path / "out")]
    assert main(["export", *arguments]) == 2
    assert "is a run with renders, not masks" in capsys.readouterr().err


@pytest.mark.slow
def test_an_export_makes_files_of_them(
    portraits: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "out"
    flags = ["--format", "files", "--output", str(output), "--workers=1"]
    assert main(["export", str(portraits), *flags]) == 0
    assert "Exported: 5 images, 6 files as files" in capsys.readouterr().out
    with (output / "images.csv").open(newline="") as file:
        paths = {row["image_uri"]: output / row["path"] for row in csv.DictReader(file)}
    rows = pq.read_table(portraits / "renders").to_pylist()
    assert {row["image_uri"]: row["image"]["bytes"] for row in rows} == {
        uri: path.read_bytes() for uri, path in paths.items()
    }
    assert {path.relative_to(output).parts[0] for path in paths.values()} == {"images"}
    assert {path.suffix for path in paths.values()} == {".png"}


@pytest.mark.slow
def test_a_cutout_before_a_picture(scenes: Path, tmp_path: Path) -> None:
    Image.new("RGB", (30, 20), (9, 250, 9)).save(tmp_path / "meadow.png")
    flags = ("--effect", "cutout", "--background", str(tmp_path / "meadow.png"))
    assert _render(scenes, tmp_path / "out", *flags, "--image_format", "png") == 0
    rows = pq.read_table(tmp_path / "out" / "renders").to_pylist()
    shares = [(_pixels(row["image"]["bytes"]) == (9, 250, 9)).all(axis=2).mean() for row in rows]
    for row, share in zip(rows, shares, strict=True):
        assert row["effect"] == "cutout"
        assert share == pytest.approx(1 - row["subject_fraction"], abs=0.1)


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ("--effect redact --strength 1", "--strength is a flag of --effect portrait"),
        ("--effect portrait --background red", "--background is a flag of --effect cutout"),
        ("--effect redact --matting closed-form", "--matting refines an outline"),
        ("--effect cutout --fill red", "--fill is a flag of --effect redact"),
        ("--effect cutout --image_format jpg", "a JPEG has no transparency"),
        ("--effect cutout --background /nowhere.png", "/nowhere.png: No such file"),
        ("--effect cutout --background {broken}", "broken.jpg: JPEG"),
        ("--effect redact --subject people", "--subject people: is neither a genre"),
        ("--effect redact --subject sky", "tells no such class apart"),
    ],
)
def test_what_cannot_be_had_is_one_line(
    scenes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], flags: str, words: str
) -> None:
    given = flags.format(broken=scenes / "broken.jpg").split()
    assert _render(scenes, tmp_path / "out", *given) == 2
    assert words in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ("--effect redact --fill no", "'no' is no colour"),
        ("--effect cutout --background #12", "'#12' is no colour"),
        ("--effect portrait --strength 2", "2 is not between 0 and 1"),
    ],
)
def test_values_that_mean_nothing_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], flags: str, words: str
) -> None:
    with pytest.raises(SystemExit):
        _render(tmp_path, tmp_path / "out", *flags.split())
    assert words in capsys.readouterr().err


def test_genres_and_classes_are_the_subject() -> None:
    default = ("human", "animal")
    assert [VOC.names[label] for label in subject_classes(default, VOC)] == [
        *("bird", "cat", "cow", "dog", "horse", "person", "sheep"),
    ]
    assert [CITYSCAPES.names[label] for label in subject_classes(default, CITYSCAPES)] == [
        *("person", "rider"),
    ]
    assert subject_classes(("dog", "vehicle"), VOC) == subject_classes(("vehicle", "dog"), VOC)
    assert "person" in [ADE20K.names[label] for label in subject_classes(default, ADE20K)]
    with pytest.raises(UsageError, match="neither a genre"):
        subject_classes(("dgo",), VOC)
