"""Label sets from users' files: every sound form is read, every bad one is one clear line."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beam_deeplab.deeplab.labels import VOC, LabelError, LabelSet, parse_labels, voc_color


def parse(text: str, name: str = "labels.json", classes: int | None = None) -> LabelSet:
    return parse_labels(text.encode(), f"gs://bucket/{name}", classes=classes)


def test_written_set_is_read_back() -> None:
    assert parse(json.dumps(VOC.to_dict()), classes=21) == VOC


def test_list_of_names_takes_the_files_name_and_voc_colours() -> None:
    labels = parse_labels('["none", "Dächer"]'.encode("utf-8-sig"), "a/roofs.json")
    assert (labels.name, labels.names) == ("roofs", ("none", "Dächer"))
    assert labels.palette == (voc_color(0), voc_color(1))


def test_colours_and_ignore_label_may_be_left_out() -> None:
    labels = parse('{"classes": [{"name": "soil", "color": [1, 2, 3]}, {"name": "crop"}]}')
    assert labels.palette == ((1, 2, 3), voc_color(1))
    assert labels.ignore_label == 255


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.json", '[{"name": "barn", "genre": "building"}, "sky", {"name": "hen"}]'),
        ("a.json", '{"classes": [{"name": "barn", "genre": "building"}, "sky", "hen"]}'),
        (
            "coco.json",
            '{"categories": [{"id": 1, "name": "sky"}, {"id": 2, "name": "hen"}, '
            '{"id": 0, "name": "barn", "genre": "building"}]}',
        ),
        ("a.json", '{"0": {"name": "barn", "genre": "building"}, "1": "sky", "2": "hen"}'),
        ("a.yaml", "classes:\n- {name: barn, genre: building}\n- sky\n- hen"),
        ("a.yaml", "0: {name: barn, genre: building}\n1: sky\n2: hen"),
    ],
)
def test_classes_may_say_their_genre(name: str, text: str) -> None:
    labels = parse(text, name)
    assert labels.names == ("barn", "sky", "hen")
    assert labels.genres == ("building", "sky", "object")


_ROOFS = ("background", "roof", "road")
_COLORS = ((0, 0, 0), (128, 0, 0), (1, 2, 255))


@pytest.mark.parametrize(
    ("name", "text", "colored"),
    [
        (
            "labelmap.txt",
            "# label:color_rgb:parts:actions\nbackground:0,0,0::\nroof:128,0,0:a,b:\n"
            "road:1,2,255::",
            True,
        ),
        ("labelmap.txt", "background:::\nroof:::\nroad:::\n", False),
        ("classes.txt", "background\n\nroof\r\nroad\n", False),
        ("labels.txt", "__ignore__\nbackground\nroof\nroad\n", False),
        ("classes.txt", "0 background\n1 roof\n2 road\n", False),
        ("classes.txt", "0: background\n2: road\n1: roof\n", False),
        ("_classes.csv", "Pixel Value, Class\n0, background\n1, roof\n2, road\n", False),
        (
            "class_dict.csv",
            "name,r,g,b\nbackground,0,0,0\nroof,128,0,0\nroad,1,2,255\n",
            True,
        ),
        ("colors.txt", "0 0 0\tbackground\n128 0 0\t\troof\n1 2 255\troad\n", True),
        ("info.tsv", "Idx\tRatio\tName\n1\t0.1\troof\n2\t0.2\troad\n0\t.\tbackground", False),
        (
            "map.pbtxt",
            "item {\n id: 1\n name: 'roof'\n}\nitem { name: \"road\" id: 2 }\n"
            "item { id: 0 name: 'background' }",
            False,
        ),
        (
            "config.json",
            '{"a": 1, "id2label": {"0": "background", "2": "road", "1": "roof"}}',
            False,
        ),
        ("id2label.json", '{"0": "background", "1": "roof", "2": "road"}', False),
        ("label2id.json", '{"background": 0, "roof": 1, "road": 2}', False),
        ("c.json", '{"label2id": {"background": 0, "roof": 1, "road": 2}}', False),
        (
            "meta.json",
            '{"classes": ["background", "roof", "road"], '
            '"palette": [[0, 0, 0], [128, 0, 0], [1, 2, 255]]}',
            True,
        ),
        (
            "meta.json",
            '{"CLASSES": ["background", "roof", "road"], '
            '"PALETTE": [[0, 0, 0], [128, 0, 0], [1, 2, 255]]}',
            True,
        ),
        (
            "coco.json",
            '{"images": [{"id": 7}], "annotations": [], "categories": [{"id": 2, "name": "road", '
            '"supercategory": "x"}, {"id": 0, "name": "background"}, {"id": 1, "name": "roof"}]}',
            False,
        ),
        (
            "panoptic.json",
            '[{"id": 1, "name": "roof", "isthing": 1, "color": [128, 0, 0]}, {"id": 2, "name": '
            '"road", "isthing": 0, "color": [1, 2, 255]}]',
            True,
        ),
        (
            "cvat.json",
            '[{"name": "background", "color": "#000000", "attributes": []}, {"name": "roof", '
            '"color": "#800000"}, {"name": "road", "color": "#0102ff", "type": "any"}]',
            True,
        ),
        (
            "supervisely.json",
            '{"classes": [{"title": "background", "shape": "any", "color": "#000000"}, {"title": '
            '"roof", "color": "#800000"}, {"title": "road", "color": "#0102FF"}], "tags": []}',
            True,
        ),
        (
            "mapillary.json",
            '{"version": "1.2", "labels": [{"name": "background", "readable": "B", "color": '
            '[0, 0, 0], "evaluate": true}, {"name": "roof", "color": [128, 0, 0]}, '
            '{"name": "road", "color": [1, 2, 255]}]}',
            True,
        ),
        ("data.yaml", "path: x\nnc: 3\nnames:\n  0: background\n  1: roof\n  2: road\n", False),
        ("data.yaml", "names: [background, roof, road]\n", False),
        (
            "colors.json",
            '{"background": [0, 0, 0], "roof": [128, 0, 0], "road": [1, 2, 255]}',
            True,
        ),
    ],
)
def test_files_of_other_tools_are_read(name: str, text: str, colored: bool) -> None:
    labels = parse(text, name, classes=3)
    assert labels.names == _ROOFS
    if colored:
        assert labels.palette[1:] == _COLORS[1:]


@pytest.mark.parametrize(
    ("classes", "names"),
    [
        (2, ("roof", "road")),
        (None, ("background", "roof", "class_2", "road")),
        (4, ("background", "roof", "class_2", "road")),
    ],
)
def test_the_model_tells_what_ids_with_gaps_mean(
    classes: int | None, names: tuple[str, ...]
) -> None:
    text = '{"categories": [{"id": 3, "name": "road"}, {"id": 1, "name": "roof"}]}'
    assert parse(text, classes=classes).names == names
    with pytest.raises(LabelError, match="has 4 classes, the model has 21"):
        parse(text, classes=21)


def test_huge_ids_are_counted_through() -> None:
    labels = parse('{"0": "a", "99999999": "b", "99999998": "c"}')
    assert labels.names == ("a", "c", "b")


def test_pixels_of_no_class_are_no_class() -> None:
    assert parse('{"0": "soil", "1": "crop", "255": "void"}').names == ("soil", "crop")
    assert parse("id,name\n-1,void\n0,soil\n1,crop", "t.csv").names == ("soil", "crop")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is not JSON"),
        ("{", "is not JSON"),
        ("[" * 100_000, "nested too deeply"),
        ("9" * 5000, "is not JSON"),
        ('"voc"', "must hold a list of classes"),
        ('{"classes": ["a"], "palette": [[0, 0]]}', "one [r, g, b] a class"),
        ('{"categories": [{"id": 1}]}', "class 0 has no name"),
        ('{"categories": [{"id": "x", "name": "a"}]}', "is no whole number"),
        ('{"categories": [{"id": 1, "name": "a"}, {"id": 1, "name": "b"}]}', "have the id 1"),
        ('{"0": ["a"]}', "is no class id with a name"),
        ('["\\ud800"]', "is no Unicode text"),
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
        ('[{"name": "a", "color": "red"}]', "neither [r, g, b] nor #rrggbb"),
        ('[{"name": "a", "genre": "roof"}]', "the genre 'roof' of 'a' is none of human, animal"),
        ('{"0": {"name": "a", "genre": ["food"]}}', "the genre ['food'] of 'a' is none of"),
        ('[{"id": 1, "name": "a", "genre": ""}]', "the genre '' of 'a' is none of"),
        ('[{"name": "a\\nb"}, {"name": "a\\nb"}]', "two classes are named"),
    ],
)
def test_bad_file_is_one_line_that_names_it(text: str, message: str) -> None:
    with pytest.raises(LabelError) as caught:
        parse(text)
    line = str(caught.value)
    assert line.startswith("gs://bucket/labels.json: ")
    assert message in line
    assert "\n" not in line


def test_what_is_no_text_is_one_line() -> None:
    with pytest.raises(LabelError, match="is not UTF-8 text"):
        parse_labels(b"\x89PNG\xff\xfe", "mask.png")


def test_count_is_held_against_the_model() -> None:
    with pytest.raises(LabelError, match="has 2 classes, the model has 21"):
        parse('["a", "b"]', classes=21)


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["name", "classes", "id", "color", "categories", "id2label", "0", "1"])
            | st.text(max_size=4),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(_VALUES.map(json.dumps) | st.text(), st.sampled_from(["a.json", "a.txt", "a.yaml", "a.csv"]))
def test_whatever_a_file_holds_is_labels_or_one_line(text: str, name: str) -> None:
    content = text.encode("utf-8", "surrogatepass")
    try:
        said = "x" * len(parse_labels(content, name))
    except LabelError as error:
        said = str(error)
    assert len(said.splitlines()) == 1
