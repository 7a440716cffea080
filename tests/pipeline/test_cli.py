"""The program as a user types it: help, errors in one line, exit codes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from beam_deeplab.deeplab.zoo import BUNDLED_MODELS, OFFICIAL_MODELS
from beam_deeplab.pipeline.cli import main

PHOTO = b"not a photo, but a file that the pattern matches"


def _segment(*flags: str) -> list[str]:
    return ["segment", "--model", "m", *flags]


@pytest.fixture
def photos(tmp_path: Path) -> str:
    (tmp_path / "a.jpg").write_bytes(PHOTO)
    return str(tmp_path / "*.jpg")


def _one_line(capsys: pytest.CaptureFixture[str]) -> str:
    captured = capsys.readouterr()
    lines = captured.err.strip().splitlines()
    assert len(lines) == 1, captured.err
    return lines[0]


def test_help_groups_our_flags_and_names_beam_s(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["segment", "--help"])
    assert ended.value.code == 0
    text = capsys.readouterr().out
    for words in (
        "what goes in and comes out:",
        "the network:",
        "the run:",
        "--canvas",
        "--output_stride {8,16}",
        "Every flag of Apache Beam is accepted too",
        "--runner=DataflowRunner",
        "--engine_threads N",
        "--checkpointing_interval",
        "--max_bundle_size",
        "--parallelism",
        "--read_time_percentage",
    ):
        assert words in text


def test_help_of_evaluate_names_its_own_flags_and_the_network_s(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["evaluate", "--help"])
    assert ended.value.code == 0
    text = capsys.readouterr().out
    for words in (
        "--truth PATTERN",
        "--segmented FOLDER",
        "--truth_format {auto,ids,",
        "--output_stride {8,16}",
        "Every flag of Apache Beam is accepted too",
    ):
        assert words in text


def test_python_m_pipeline_is_the_same_program() -> None:
    command = [sys.executable, "-m", "beam_deeplab", "segment", "--help"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "beam-deeplab segment" in done.stdout


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--canvass", "513", "513"], "unknown flag --canvass: did you mean --canvas?"),
        (["--runer=DirectRunner"], "unknown flag --runer: did you mean --runner?"),
        (["--qqqq"], "unknown flag --qqqq: see --help"),
        (["--checkpointing_interval=5"], "--checkpointing_interval: it is for FlinkRunner"),
        (
            ["--runner=FlinkRunner", "--max_bundle_sise=5"],
            "unknown flag --max_bundle_sise: did you mean --max_bundle_size?",
        ),
        (["--runner=FlinkRunner", "--max_bundle_size=few"], "--max_bundle_size: 'few' is no integ"),
        (["--runner=FlinkRunner", "--max_bundle_size"], "--max_bundle_size: expected one argument"),
        (["--runner=PortableRunner", "--job_endpoint=h:x", "--new"], "h:x: give HOST:PORT"),
        (["--canvas", "513"], "give 'official', 'auto', or height and width"),
        (["--canvas", "official", "513"], "give 'official', 'auto', or height and width"),
        (["--eval_scales", "0.5", "1", "0.5"], "--eval_scales: 0.5 is given more than once"),
        (["--eval_scales", "1", "5"], "--eval_scales: 5 is no scale from 0.25 to 4"),
        (["--direct_running_mode=multi_threading"], "silently loses elements"),
        (["--runner=DaskRunner"], "is not offered"),
        (["--runner=DataflowRunner"], "needs --project and --region and --temp_location"),
        (
            ["--runner=DataflowRunner", "--project=p", "--region=r", "--temp_location=gs://b/t"],
            "give a gs:// path",
        ),
    ],
)
def test_wrong_flags_are_one_line_and_exit_code_2(
    flags: list[str], words: str, photos: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "out"
    assert main(_segment("--input", photos, "--output", str(output), *flags)) == 2
    assert words in _one_line(capsys)
    assert not output.exists()


def test_without_a_model_the_choice_is_named_in_one_line(
    photos: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["segment", "--input", photos, "--output", str(tmp_path / "out")]) == 2
    line = _one_line(capsys)
    assert "--model is missing" in line
    assert "mobilenetv2_coco_voc_trainval" in line


def test_a_stray_word_is_an_error(
    photos: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = main(_segment("--input", photos, "--output", str(tmp_path / "o"), "--quiet", "stray"))
    assert code == 2
    assert "unexpected argument 'stray'" in _one_line(capsys)


def test_beam_flags_with_separate_values_pass(
    photos: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """They get as far as the model, which there is not."""
    flags = ["--runner", "FnApiRunner", "--direct_num_workers", "2"]
    code = main(_segment("--input", photos, "--output", str(tmp_path / "o"), *flags))
    assert code == 2
    assert _one_line(capsys).startswith("beam-deeplab: --model: ")


def test_no_input_matches(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pattern = str(tmp_path / "*.jpg")
    assert main(_segment("--input", pattern, "--output", str(tmp_path / "out"))) == 2
    assert f"{pattern}: no image matches" in _one_line(capsys)


@pytest.mark.parametrize("columns", ["40", "80", "250"])
def test_models_lists_the_zoo_with_names_that_can_be_copied(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    columns: str,
) -> None:
    monkeypatch.setenv("BEAM_DEEPLAB_CACHE", str(tmp_path))
    monkeypatch.setenv("COLUMNS", columns)
    assert main(["models"]) == 0
    lines = capsys.readouterr().out.splitlines()
    words = [line.split() for line in lines]
    for name in (*OFFICIAL_MODELS, *BUNDLED_MODELS):
        assert sum(each[:1] == [name] for each in words) == 1
    assert max(map(len, lines)) <= 80


def test_models_says_all_of_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("BEAM_DEEPLAB_CACHE", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "250")
    assert main(["models", "mobilenetv2_coco_voc_trainaug"]) == 0
    text = capsys.readouterr().out
    for words in ("75.32 % (val, output stride 16)", "513 x 513", "PASCAL VOC 2012", "23 MB"):
        assert words in text
    assert main(["models", "emoji_scenes"]) == 0
    assert "88 % (500 unseen scenes)" in capsys.readouterr().out
    assert main(["models", "mobilenetv2_coco_voc"]) == 2
    assert "mobilenetv2_coco_voc_trainaug" in _one_line(capsys)


def test_classes_of_a_checkpoint(
    mobilenet_checkpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["classes", "--model", str(mobilenet_checkpoint)]) == 0
    text = capsys.readouterr().out
    assert "aeroplane" in text
    assert "tv" in text


def test_classes_with_labels_of_one_s_own(
    mobilenet_checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    labels = tmp_path / "labels.json"
    labels.write_text(json.dumps([f"thing {label}" for label in range(21)]))
    model = ["classes", "--model", str(mobilenet_checkpoint), "--labels", str(labels)]
    assert main(model) == 0
    assert "thing 20" in capsys.readouterr().out
    labels.write_text(json.dumps(["one", "two"]))
    assert main(model) == 2
    line = _one_line(capsys)
    assert line.startswith("beam-deeplab: --labels: ")
    assert "21" in line
