"""Label sets from a user's JSON: every sound form is read, every bad one is one clear line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from beam_deeplab.deeplab.labels import VOC, LabelError, read_labels, voc_color


def test_written_set_is_read_back(tmp_path: Path) -> None:
    file = tmp_path / "voc.json"
    file.write_text(json.dumps(VOC.to_dict()), "utf-8")
    assert read_labels(file, classes=21) == VOC


def test_list_of_names_takes_the_files_name_and_voc_colours(tmp_path: Path) -> None:
    file = tmp_path / "roofs.json"
    file.write_text('["none", "Dächer"]', "utf-8-sig")
    labels = read_labels(str(file))
    assert (labels.name, labels.names) == ("roofs", ("none", "Dächer"))
    assert labels.palette == (voc_color(0), voc_color(1))


def test_colours_and_ignore_label_may_be_left_out(tmp_path: Path) -> None:
    file = tmp_path / "field.json"
    file.write_text('{"classes": [{"name": "soil", "color": [1, 2, 3]}, {"name": "crop"}]}')
    labels = read_labels(file)
    assert labels.palette == ((1, 2, 3), voc_color(1))
    assert labels.ignore_label == 255


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is not JSON"),
        ("{", "is not JSON"),
        ("[" * 100_000, "nested too deeply"),
        ("9" * 5000, "is not JSON"),
        ('"voc"', "must hold a list of classes"),
        ("[]", "1 to 255 classes are possible, not 0"),
        (json.dumps([str(i) for i in range(256)]), "not 256"),
        ("{}", "classes must be a list"),
        ('{"classes": "abc"}', "classes must be a list"),
        ('{"classes": ["a"], "colours": []}', "unknown key 'colours'"),
        ('{"classes": ["a"], "name": 3}', "name must be text"),
        ('{"classes": ["a"], "ignore_label": "none"}', "ignore_label must be a whole number"),
        ('{"classes": ["a"], "ignore_label": 0}', "ignore label 0 must lie between"),
        ('["a", "b", "a"]', "two classes are named 'a'"),
        ('["a", 2]', "class 1 is neither a name"),
        ('[{"name": "a", "colour": [0, 0, 0]}]', "unknown key 'colour'"),
        ('[{"name": "a", "color": [0, 0, 256]}]', "three numbers, 0 to 255"),
        ('[{"name": "a", "color": [0, 0]}]', "three whole numbers"),
        ('[{"name": "a", "color": [0, 0, 0.5]}]', "three whole numbers"),
        ('[{"name": "a", "color": [0, 0, true]}]', "three whole numbers"),
        ('[{"name": "a", "color": "red"}]', "three whole numbers"),
        ('[{"name": "a\\nb"}, {"name": "a\\nb"}]', "two classes are named"),
    ],
)
def test_bad_file_is_one_line_that_names_it(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "labels.json"
    file.write_text(text, "utf-8")
    with pytest.raises(LabelError) as caught:
        read_labels(file)
    line = str(caught.value)
    assert line.startswith(f"{file}: ")
    assert message in line
    assert "\n" not in line


def test_unreadable_files_are_one_line(tmp_path: Path) -> None:
    with pytest.raises(LabelError, match="No such file"):
        read_labels(tmp_path / "none.json")
    with pytest.raises(LabelError, match="Is a directory"):
        read_labels(tmp_path)
    binary = tmp_path / "mask.png"
    binary.write_bytes(b"\x89PNG\xff\xfe")
    with pytest.raises(LabelError, match="is not UTF-8 text"):
        read_labels(binary)


def test_count_is_held_against_the_model(tmp_path: Path) -> None:
    file = tmp_path / "labels.json"
    file.write_text('["a", "b"]')
    with pytest.raises(LabelError, match="has 2 classes, the model has 21"):
        read_labels(file, classes=21)
