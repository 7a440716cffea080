"""Inputs: each is done, or refused, or said in one line with its count."""

from __future__ import annotations

from pathlib import Path

import pytest

from beam_deeplab.pipeline.inputs import check_inputs, describe_left_out
from beam_deeplab.pipeline.options import UsageError
from beam_deeplab.transforms.records import LeftOut


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    (folder / "a.jpg").write_bytes(b"a photo")
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes").mkdir()
    for name in ("a.json", "b.json", "c"):
        (tmp_path / "notes" / name).write_bytes(b"x")
    (tmp_path / "empty.txt").write_bytes(b"\n")
    (tmp_path / "open.csv").write_text(
        "image_uri\n" + f"{folder}/a.jpg\n" * 11_000 + '"b.jpg\nc.jpg\n'
    )
    return folder


@pytest.mark.parametrize(
    ("named", "words"),
    [
        ("typo/*.jpg", "no image matches$"),
        ("photos/*.{png,gif}", "no image matches$"),
        ("empty", "no image matches$"),
        ("empty.txt", "no image matches$"),
        ("notes/**", r"3 files left out: 2 .json, 1 without suffix"),
        ("{1..9999}.jpg", "more than 1000"),
        ("open.csv", "line 11002: a quote opens"),
    ],
)
def test_each_input_must_name_an_image(
    photos: Path, tmp_path: Path, named: str, words: str
) -> None:
    check_inputs([str(photos)], "")
    for others in ([], [str(photos)]):
        with pytest.raises(UsageError, match=words) as caught:
            check_inputs([*others, str(tmp_path / named)], "")
        assert str(caught.value).startswith("--input")
        assert named in str(caught.value)


def test_what_is_left_out_is_one_line() -> None:
    counts = {".heic": 3, "without suffix": 1, ".jpg_640": 1}
    left_out = [LeftOut("photos", kind, count) for kind, count in counts.items()]
    line = "5 files left out: 3 .heic, 1 without suffix, 1 .jpg_640"
    assert describe_left_out(left_out) == line
    assert describe_left_out([LeftOut("a", ".md", 1000), LeftOut("b", ".md", 1)]) == (
        "1,001 files left out: 1,001 .md"
    )
    assert describe_left_out([LeftOut("a", "hidden", 1)]) == "1 file left out: 1 hidden"
    many = [LeftOut("a", f".{number}", 2) for number in range(10)]
    assert describe_left_out(many).endswith(", 4 of other kinds")
    assert describe_left_out([]) == ""
