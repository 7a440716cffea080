"""``beam-deeplab demo-data`` as a user types it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from beam_deeplab.pipeline.cli import main
from beam_deeplab.scenes.composing import compose_scene
from beam_deeplab.scenes.settings import SceneSettings


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_flags_reach_the_scenes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    images, truth = tmp_path / "images", tmp_path / "truth"
    command = ["demo-data", "--count", "4", "--seed", "7", "--size", "50", "90"]
    command += ["--split", "held_out", "--faults", "0.5", "--output", str(images)]
    assert main([*command, "--truth", str(truth)]) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    assert printed.out.splitlines() == [
        f"4 scenes and 2 broken files: {images}",
        f"Their truth: {truth}",
    ]
    assert [name[:12] for name in _names(images)] == ["broken-00000", "broken-00001"] + [
        f"scene-0000{index}."[:12] for index in range(4)
    ]
    for index in range(4):
        with Image.open(truth / f"scene-0000{index}.png") as mask:
            wanted = compose_scene(7, index, SceneSettings((50, 90), "held_out")).truth
            np.testing.assert_array_equal(np.asarray(mask), wanted)


def test_without_truth_there_is_none_and_one_size_is_all(tmp_path: Path) -> None:
    output = tmp_path / "images"
    assert main(["demo-data", "--count", "3", "--size", "64", "--output", str(output)]) == 0
    assert _names(tmp_path) == ["images"]
    for path in output.iterdir():
        with Image.open(path) as picture:
            assert max(picture.size) == 64


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--seed", "-1"], "--seed -1: give a number from 0 to 4294967295"),
        (["--seed", "4294967296"], "--seed 4294967296: give a number from 0 to"),
        (["--size", "9"], "--size 9: a size is the shortest and the longest long side, 32 to"),
        (["--size", "90", "80"], "--size 90 80: a size is the shortest and the longest"),
        (["--size", "90", "95", "99"], "--size 90 95 99: give one number, or"),
        (["--faults", "many"], "--faults many: give a number of files, or a share such as 0.1"),
        (["--faults", "1.5"], "--faults 1.5: give a number of files, or a share such as 0.1"),
        (["--faults", "-1"], "--faults -1: give a number of files, or a share such as 0.1"),
        (["--faults", "nan"], "--faults nan: give a number of files, or a share such as 0.1"),
        (
            ["--truth", "gs://bucket/truth"],
            "--truth gs://bucket/truth: this flag takes only paths of this",
        ),
    ],
)
def test_what_cannot_be_is_one_line_and_nothing_is_written(
    flags: list[str], words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "images"
    assert main(["demo-data", "--count", "2", "--output", str(output), *flags]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert words in lines[0]
    assert not output.exists()


def test_other_files_are_not_overwritten(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["demo-data", "--count", "2", "--size", "40", "--output", str(tmp_path)]
    (tmp_path / "mine.txt").write_text("mine")
    assert main(command) == 2
    assert capsys.readouterr().err == (
        f"beam-deeplab: {tmp_path}: is not empty: give another folder, or --overwrite to replace "
        "the scenes in it\n"
    )
    for _ in range(2):
        assert main([*command, "--overwrite"]) == 0
    assert len(_names(tmp_path)) == 3
    assert (tmp_path / "mine.txt").read_text() == "mine"
