"""``beam-deeplab train`` as it is called: what it refuses, how it resumes, what it learns."""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import load_file

from beam_deeplab.deeplab.training.samples import reduce_truth
from beam_deeplab.pipeline.cli import main
from beam_deeplab.pipeline.train import read_picture
from tests.deeplab.training.test_loss import resize_aligned
from tests.forking import NETWORKS, Forked, run
from tests.shapes import CLASSES, write_shapes

CONFIG = """
[model]
labels = "{labels}"
depth_multiplier = 0.1
channel_divisor = 4
[model.decoder]
low_level_channels = 4
channels = 8
[input]
canvas = [49, 65]
brightness = 0.1
hue = 0.05
validation_fraction = 0.3
[optimizer]
learning_rate = 0.05
epochs = 4
batch_size = 4
ema = 0.9
clip_norm = 5.0
"""


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_shapes(tmp_path / "data", 12)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return _config(tmp_path)


def _config(folder: Path) -> Path:
    (folder / "labels.json").write_text(json.dumps(CLASSES), "utf-8")
    path = folder / "training.toml"
    path.write_text(CONFIG.format(labels=folder / "labels.json"), "utf-8")
    return path


@pytest.fixture
def refused(
    data: Path, config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> Callable[..., list[str]]:
    """Calls the program, which must end with a usage error; gives what it says, line by line."""

    def call(*flags: str) -> list[str]:
        given = ["train", "--data", str(data), "--config", str(config), "--quiet"]
        assert main([*given, "--output", str(tmp_path / "out"), *flags]) == 2
        assert not (tmp_path / "out" / "model").exists()
        return capsys.readouterr().err.splitlines()

    return call


def test_everything_that_is_bad_is_said_at_once(
    data: Path, refused: Callable[..., list[str]]
) -> None:
    images, truth = data / "images", data / "truth"
    (images / "000.png").write_bytes((images / "000.png").read_bytes()[:500])
    (images / "001.png").write_text("not a picture")
    Image.fromarray(np.full((48, 64), 7, np.uint8)).save(truth / "002.png")
    Image.fromarray(np.zeros((48, 65), np.uint8)).save(truth / "003.png")
    (truth / "004.png").write_bytes(b"")
    Image.new("RGB", (64, 48), (1, 2, 3)).save(truth / "005.png")
    lines = refused()
    assert lines[0] == "beam-deeplab: 6 files cannot be trained on:"
    said = {Path(line.strip().partition(": ")[0]): line.partition(": ")[2] for line in lines[1:]}
    assert said[images / "000.png"].startswith("CORRUPT: ")
    assert said[images / "001.png"].startswith("UNSUPPORTED_FORMAT: ")
    assert said[truth / "002.png"] == "holds the values 7, which are no class here"
    assert said[truth / "003.png"] == "is 65 x 48 pixels, its picture 64 x 48"
    assert said[truth / "004.png"] == "the file is empty"
    assert said[truth / "005.png"].startswith("holds the colours (1, 2, 3), which are no class")


def test_missing_partners_are_said_before_anything_is_decoded(
    data: Path, refused: Callable[..., list[str]]
) -> None:
    (data / "truth" / "000.png").unlink()
    for number in range(1, 12):
        (data / "images" / f"{number:03}.png").unlink()
    lines = refused()
    assert lines[0] == "beam-deeplab: 12 files cannot be trained on:"
    assert lines[1].endswith(f"000.png: has no mask in {data / 'truth'}")
    assert len(lines) == 12
    assert lines[-1] == "  and 2 more"


def test_bad_validation_data_is_bad_too(tmp_path: Path, refused: Callable[..., list[str]]) -> None:
    validation = write_shapes(tmp_path / "validation", 2, first=50)
    (validation / "truth" / "050.png").write_bytes(b"")
    lines = refused("--validation", str(validation))
    assert lines[0] == "beam-deeplab: 1 file cannot be trained on:"
    assert lines[1] == f"  {validation / 'truth' / '050.png'}: the file is empty"


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--data", "nowhere"], "--data: .*nowhere is not a folder"),
        (["--data", "a", "b", "c"], "--data takes one folder or two"),
        (["--config", "none.toml"], "--config: .*none.toml: cannot be read"),
        (["--validation", "."], "--validation: .* holds neither images/ and truth/"),
        (["--output", "gs://bucket/model"], "--output gs://bucket/model: this flag takes only"),
        (["--output", "s3://bucket/model"], "--output s3://bucket/model: this flag takes only"),
        (["--config", "https://host/c.toml"], "--config https://host/c.toml: this flag takes only"),
        (["--data", "gs://bucket/data"], "--data gs://bucket/data: this flag takes only"),
        (["--validation", "hdfs://x/y"], "--validation hdfs://x/y: this flag takes only"),
        (["--ignore_label", "70000"], "no pixel has the value 70000"),
        (["--truth_format", "ade20k"], "--truth_format ade20k: .* not of 3"),
    ],
)
def test_flags_that_cannot_be_are_one_line(
    flags: list[str],
    words: str,
    refused: Callable[..., list[str]],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.chdir(tmp_path)
    (line,) = refused(*flags)
    assert re.search(words, line), line


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ("ema = 0.9", "emma = 0.9", "[optimizer] has an unknown key 'emma'; did you mean 'ema'?"),
        ("ema = 0.9", "class_weights = [1, 2]", "class_weights are 2, the classes 3"),
        ("labels.json", "label.json", "is neither a file nor one of voc"),
    ],
)
def test_a_configuration_that_cannot_be_is_one_line(
    before: str, after: str, words: str, config: Path, refused: Callable[..., list[str]]
) -> None:
    config.write_text(config.read_text("utf-8").replace(before, after), "utf-8")
    (line,) = refused()
    assert words in line


def test_an_output_that_holds_a_training_is_kept(
    tmp_path: Path, refused: Callable[..., list[str]]
) -> None:
    (tmp_path / "out" / "checkpoint").mkdir(parents=True)
    (line,) = refused()
    assert "holds a training already (checkpoint): --resume continues it" in line


def test_masks_of_0_and_255_hold_one_class_only(
    data: Path, refused: Callable[..., list[str]]
) -> None:
    for path in (data / "truth").iterdir():
        with Image.open(path) as mask:
            ids = np.asarray(mask)
        Image.fromarray(np.where(ids, 255, 0).astype(np.uint8)).save(path)
    (line,) = refused()
    assert "2 of 3 classes have no pixel in the truth: disc, box" in line
    assert "--truth_format colors" in line


@pytest.mark.parametrize("place", ["out/config.toml", "training.toml"])
def test_nothing_is_removed_where_something_is_wrong(
    place: str, data: Path, config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The weights to start from are looked for at last, when all the data are read."""
    output = tmp_path / "out"
    for name in ("model", "checkpoint"):
        (output / name).mkdir(parents=True)
        (output / name / "file").write_text(name)
    text = config.read_text("utf-8").replace("[model]", '[model]\nstart = "/nowhere"', 1)
    (tmp_path / place).write_text(text, "utf-8")
    (output / "config.toml").write_text(text, "utf-8")
    flags = ["--data", str(data), "--config", str(tmp_path / place), "--output", str(output)]
    assert main(["train", *flags, "--overwrite", "--quiet"]) == 2
    assert "/nowhere" in capsys.readouterr().err
    assert (output / "model" / "file").read_text() == "model"
    assert (output / "checkpoint" / "file").read_text() == "checkpoint"
    assert (output / "config.toml").read_text("utf-8") == text


def test_data_in_what_would_be_removed_is_refused(
    data: Path, tmp_path: Path, refused: Callable[..., list[str]]
) -> None:
    inside = tmp_path / "out" / "logs" / "data"
    shutil.copytree(data, inside)
    (line,) = refused("--data", str(inside), "--overwrite")
    assert f"--overwrite would remove the data in {inside}" in line
    assert (inside / "truth" / "000.png").is_file()


def test_bad_data_cost_no_import_of_tensorflow(data: Path, config: Path, tmp_path: Path) -> None:
    (data / "truth" / "000.png").write_bytes(b"")
    program = (
        "import sys; from beam_deeplab.pipeline.cli import main; code = main(sys.argv[1:]);"
        "print(code, sorted({'tensorflow', 'keras', 'apache_beam'} & set(sys.modules)))"
    )
    flags = ["--data", str(data), "--config", str(config), "--output", str(tmp_path / "out")]
    done = subprocess.run(
        [sys.executable, "-c", program, "train", *flags], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "2 []"


def _command(data: Path, config: Path, output: Path, *flags: str) -> list[str]:
    given = ["--data", str(data), "--config", str(config), "--output", str(output), *flags]
    return [sys.executable, "-m", "beam_deeplab", "train", *given]


def _train(data: Path, config: Path, output: Path, *flags: str) -> str:
    done = run(_command(data, config, output, *flags), imports=NETWORKS)
    done.check_returncode()
    return done.stderr


@dataclass(frozen=True)
class Trained:
    """A training from its data to its end, which several tests look at and none changes."""

    data: Path
    config: Path
    output: Path
    said: str


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    folder = tmp_path_factory.mktemp("trained")
    data, config, output = write_shapes(folder / "data", 12), _config(folder), folder / "whole"
    return Trained(data, config, output, _train(data, config, output))


@pytest.mark.slow
def test_a_training_that_was_killed_gives_the_same_weights(
    trained: Trained, tmp_path: Path
) -> None:
    assert [line.partition(",")[0] for line in trained.said.splitlines()] == [
        f"epoch {epoch} of 4" for epoch in range(1, 5)
    ]
    output = tmp_path / "killed"
    command = _command(trained.data, trained.config, output)
    killed = Forked(command, imports=NETWORKS, stderr=subprocess.PIPE)
    assert killed.stderr is not None
    for line in killed.stderr:
        if line.startswith("epoch 2"):
            os.kill(killed.pid, signal.SIGKILL)
            break
    assert killed.wait() == -signal.SIGKILL
    killed.stderr.close()
    said = _train(trained.data, trained.config, output, "--resume")
    assert said.splitlines()[0].startswith("resumed behind epoch ")
    for file in ("model/weights.safetensors", "checkpoint/state.safetensors"):
        whole, resumed = (load_file(folder / file) for folder in (trained.output, output))
        assert whole.keys() == resumed.keys()
        for name, value in whole.items():
            np.testing.assert_array_equal(resumed[name], value, err_msg=name)
    rows = [
        list(csv.DictReader((folder / "history.csv").open(encoding="utf-8")))
        for folder in (trained.output, output)
    ]
    for column in ("epoch", "loss", "miou", "iou_disc"):
        assert [row[column] for row in rows[0]] == [row[column] for row in rows[1]]
    assert (output / "config.toml").read_bytes() == trained.config.read_bytes()


def test_a_resumed_training_keeps_its_configuration(
    trained: Trained, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, output = tmp_path / "data", tmp_path / "out"
    shutil.copytree(trained.data, data)
    shutil.copytree(trained.output, output)
    config = tmp_path / "training.toml"
    text = trained.config.read_text("utf-8").replace("ema = 0.9", "ema = 0.8")
    config.write_text(text, "utf-8")
    flags = ["--data", str(data), "--config", str(config), "--output", str(output)]
    assert main(["train", *flags, "--resume"]) == 2
    assert "--resume: optimizer.ema was 0.9 and is now 0.8" in capsys.readouterr().err
    (output / "notes.txt").write_text("mine")
    shutil.rmtree(data / "truth")
    assert main(["train", *flags, "--overwrite"]) == 2
    assert (output / "model" / "weights.safetensors").is_file()


@pytest.mark.slow
def test_a_configuration_in_the_output_survives_its_overwriting(
    trained: Trained, tmp_path: Path
) -> None:
    output = tmp_path / "out"
    shutil.copytree(trained.output, output)
    text = trained.config.read_text("utf-8").replace("epochs = 4", "epochs = 1")
    (output / "config.toml").write_text(text, "utf-8")
    said = _train(trained.data, output / "config.toml", output, "--overwrite")
    assert said.startswith("epoch 1 of 1")
    assert (output / "config.toml").read_text("utf-8") == text


OVERFIT = """
[model]
start = "{start}"
labels = "voc"
[input]
canvas = [257, 257]
scale = [1, 1]
flip = false
[optimizer]
name = "adamw"
learning_rate = 2e-4
warmup_steps = 8
batch_norm = "frozen"
epochs = 16
batch_size = 2
"""


@pytest.mark.slow
def test_eight_photos_are_learnt_from_the_official_checkpoint(
    tmp_path: Path, voc_photos: list[Path], mobilenet_checkpoint: Path
) -> None:
    import tensorflow as tf

    from beam_deeplab.deeplab.labels import VOC
    from beam_deeplab.deeplab.models import inspect_model

    masks = voc_photos[0].parent.parent / "SegmentationClassAug"
    for name in ("images", "truth"):
        (tmp_path / "data" / name).mkdir(parents=True)
    for photo in voc_photos[:8]:
        (tmp_path / "data" / "images" / photo.name).symlink_to(photo)
        mask = f"{photo.stem}.png"
        (tmp_path / "data" / "truth" / mask).symlink_to(masks / mask)
    config = tmp_path / "overfit.toml"
    config.write_text(OVERFIT.format(start=mobilenet_checkpoint), "utf-8")
    data = tmp_path / "data"
    _train(data, config, tmp_path / "out", "--validation", str(data))
    model = inspect_model(str(tmp_path / "out" / "model"))
    assert (model.labels, model.canvas) == (VOC, (257, 257))
    network = model.load_network(16)
    right = labelled = 0
    for photo in voc_photos[:8]:
        pixels = read_picture(photo, model.canvas).pixels
        height, width = pixels.shape[:2]
        canvas = np.zeros((1, *model.canvas, 3), np.float32)
        canvas[0, :height, :width] = pixels / 127.5 - 1
        logits = np.asarray(network(tf.constant(canvas)), np.float64)
        predicted = resize_aligned(logits, *model.canvas).argmax(axis=-1)[0, :height, :width]
        ids = np.asarray(Image.open(masks / f"{photo.stem}.png"))
        truth = reduce_truth(ids, height, width)
        right += int(((predicted == truth) & (truth != 255)).sum())
        labelled += int((truth != 255).sum())
    assert right / labelled > 0.95
    row = list(csv.DictReader((tmp_path / "out" / "history.csv").open(encoding="utf-8")))[-1]
    assert float(row["pixel_accuracy"]) == pytest.approx(right / labelled, abs=1e-3)
