"""`quantize` makes a model that `segment` takes; `--precision int8` makes one for its run."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from PIL import Image

from beam_deeplab.pipeline.cli import main
from tests.test_end_to_end import rows_of

SIZE = ["--canvas", "129", "129"]


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("scenes")
    flags = ["--output", f"{folder}/images", "--truth", f"{folder}/truth", "--count", "12"]
    assert main(["demo-data", *flags]) == 0
    return folder


@pytest.fixture(scope="module")
def made(scenes: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "int8"
    flags = ["--truth", f"{scenes}/truth", "--count", "4", "--max_loss", "0.5", *SIZE]
    assert _quantize(scenes, folder, *flags) == 0
    return folder


def _quantize(scenes: Path, output: Path, *flags: str) -> int:
    images = f"{scenes}/images/*"
    common = ["--model", "emoji_scenes", "--output", str(output), "--quiet"]
    return main(["quantize", "--input", images, *common, *flags])


def _segment(images: str, output: Path, model: str, *flags: str) -> int:
    common = ["--model", model, "--quiet", *SIZE]
    return main(["segment", "--input", images, "--output", str(output), *common, *flags])


@pytest.mark.slow
def test_segment_takes_it_and_says_so(made: Path, scenes: Path, tmp_path: Path) -> None:
    assert _segment(f"{scenes}/images/*", tmp_path / "run", str(made)) == 0
    manifest = json.loads((tmp_path / "run" / "manifest.json").read_text())
    card = json.loads((made / "quantized.json").read_text())
    assert manifest["options"]["precision"] == "int8"
    assert manifest["options"]["model_digest"] == card["networks"]
    assert manifest["model"]["quantized"]["calibration"] == card["calibration"]
    assert {writer["cpu"] for writer in manifest["writers"]} == {_instructions(card)}
    assert card["calibration"]["images"] == 4
    assert set(card["calibration"]["miou"]) == {"f32", "int8"}


def _instructions(card: dict[str, dict[str, str]]) -> str:
    return card["calibration"]["cpu"].rpartition("(")[2].rstrip(")")


@pytest.mark.slow
def test_a_resumed_run_takes_the_networks_that_its_first_start_made(
    scenes: Path, tmp_path: Path
) -> None:
    images, output = tmp_path / "images", tmp_path / "run"
    shutil.copytree(scenes / "images", images)
    flags = ["--precision", "int8"]
    assert _segment(f"{images}/*", output, "emoji_scenes", *flags) == 0
    first = json.loads((output / "manifest.json").read_text())
    assert [path.stem for path in (output / "models").iterdir()] == [first["model"]["digest"]]
    rows = rows_of(output, "masks")
    Image.new("RGB", (80, 60), "blue").save(images / "one-more.png")
    assert _segment(f"{images}/*", output, "emoji_scenes", "--resume", *flags) == 0
    second = json.loads((output / "manifest.json").read_text())
    assert second["fingerprint"] == first["fingerprint"]
    assert second["counts"]["masks"] == 1
    standing = [row for row in rows_of(output, "masks") if "one-more" not in row["image_uri"]]
    assert standing == rows


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--precision", "bf16"], "leave --engine and --precision out"),
        (["--engine", "tensorflow"], "leave --engine and --precision out"),
    ],
)
def test_what_computes_is_no_choice(
    flags: list[str], words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _quantize(tmp_path, tmp_path / "out", *flags) == 2
    assert words in capsys.readouterr().err


@pytest.mark.slow
def test_what_cannot_be_had_is_one_line(
    made: Path, scenes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def refusal(code: int) -> str:
        (line,) = capsys.readouterr().err.splitlines()
        assert code == 2
        return line

    images = f"{scenes}/images/*"
    assert "--overwrite replaces it" in refusal(_quantize(scenes, made))
    again = ["quantize", "--input", images, "--model", str(made), "--output", str(tmp_path / "x")]
    assert "is quantized already" in refusal(main([*again, *SIZE]))
    run = tmp_path / "run"
    assert "was not quantized for" in refusal(
        main(["segment", "--input", images, "--output", str(run), "--model", str(made)])
    )
    assert "a model of 8 bits" in refusal(_segment(images, run, str(made), "--precision", "bf16"))
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("mine")
    assert "holds something else" in refusal(_quantize(scenes, tmp_path / "full"))
    assert not run.exists()


@pytest.mark.slow
def test_a_loss_beyond_what_is_allowed_writes_nothing(
    scenes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = ["--truth", f"{scenes}/truth", "--count", "2", "--max_loss", "-1", *SIZE]
    assert _quantize(scenes, tmp_path / "out", *flags) == 1
    assert "nothing was written" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
