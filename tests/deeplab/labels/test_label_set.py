"""Label sets: the official ones against their sources, and what any set must satisfy."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from beam_deeplab.deeplab.labels import (
    ADE20K,
    CITYSCAPES,
    GENRES,
    LABEL_SETS,
    OFFICIAL_LABELS,
    SCENES,
    VOC,
    LabelError,
    LabelSet,
    for_class_count,
    genre_of,
    official_ids,
    train_ids,
    voc_color,
)
from beam_deeplab.deeplab.labels.genres import CLASSES_OF

COLORS = st.tuples(*[st.integers(0, 255)] * 3)
NAMES = st.text(min_size=1).filter(lambda name: bool(name.strip()))


@st.composite
def label_sets(draw: st.DrawFn) -> LabelSet:
    names = draw(st.lists(NAMES, min_size=1, max_size=30, unique=True))
    palette = draw(st.lists(COLORS, min_size=len(names), max_size=len(names)))
    genres = draw(st.lists(st.sampled_from(GENRES), min_size=len(names), max_size=len(names)))
    return LabelSet(
        draw(st.text()),
        tuple(names),
        tuple(palette),
        draw(st.integers(len(names), 255)),
        tuple(genres),
    )


def test_official_sets_have_their_sizes_and_landmarks() -> None:
    assert (len(VOC), len(CITYSCAPES), len(ADE20K)) == (21, 19, 151)
    assert (VOC.names[0], VOC.names[15], VOC.names[20]) == ("background", "person", "tvmonitor")
    assert (CITYSCAPES.names[0], CITYSCAPES.names[18]) == ("road", "bicycle")
    assert CITYSCAPES.palette[13] == (0, 0, 142)
    assert ADE20K.names[:4] == ("background", "wall", "building", "sky")
    assert (ADE20K.names[13], ADE20K.names[150]) == ("person", "flag")
    assert (ADE20K.palette[1], ADE20K.palette[150]) == ((120, 120, 120), (92, 0, 255))
    assert ADE20K.palette[ADE20K.names.index("skyscraper")] == (140, 140, 140)
    assert all(labels.ignore_label == 255 for labels in LABEL_SETS.values())


def test_voc_palette_is_that_of_the_official_annotations(shared: Path) -> None:
    annotation = sorted((shared / "voc").rglob("*.png"))[0]
    with Image.open(annotation) as mask:
        assert mask.mode == "P"
        official = mask.getpalette()
    assert official is not None
    assert list(VOC.palette_bytes())[: len(official)] == official


def test_voc_colours_differ_and_are_the_published_ones() -> None:
    assert [voc_color(label) for label in (0, 1, 15, 20, 255)] == [
        (0, 0, 0),
        (128, 0, 0),
        (192, 128, 128),
        (0, 64, 128),
        (224, 224, 192),
    ]
    assert len({voc_color(label) for label in range(256)}) == 256


@pytest.mark.parametrize(
    ("count", "labels"), [(21, VOC), (19, CITYSCAPES), (151, ADE20K)], ids=["voc", "city", "ade"]
)
def test_official_class_counts_choose_the_official_set(count: int, labels: LabelSet) -> None:
    assert for_class_count(count) is labels


@given(st.integers(1, 255).filter(lambda count: count not in (19, 21, 151)))
def test_other_class_counts_are_numbered_in_voc_colours(count: int) -> None:
    labels = for_class_count(count)
    assert labels.names == tuple(f"class_{label}" for label in range(count))
    assert labels.palette == tuple(voc_color(label) for label in range(count))


def test_seven_classes_are_not_taken_for_the_demo_s() -> None:
    """Whoever trains seven classes of their own does not get masks of animals and food."""
    assert LABEL_SETS["scenes"] is SCENES
    assert len(SCENES) == len(set(SCENES.palette)) == 7
    assert for_class_count(7).names[1] == "class_1"


@pytest.mark.parametrize("count", [-1, 0, 256, 1000])
def test_impossible_class_counts_are_refused(count: int) -> None:
    with pytest.raises(LabelError, match="1 to 255 classes"):
        for_class_count(count)


@given(label_sets())
def test_json_round_trip_keeps_every_set(labels: LabelSet) -> None:
    assert LabelSet.from_dict(json.loads(json.dumps(labels.to_dict()))) == labels


def test_every_official_class_has_one_genre() -> None:
    listed = Counter(name for names in CLASSES_OF.values() for name in names.split(", "))
    assert set(listed.values()) == {1}
    for labels in (VOC, CITYSCAPES, ADE20K):
        assert set(labels.names) <= set(listed)
    others = {"caravan", "guard rail", "ground", "parking", "rail track", "trailer", "tunnel"}
    assert set(listed) == {*VOC.names, *CITYSCAPES.names, *ADE20K.names} | others
    assert others <= {label.name for label in OFFICIAL_LABELS}


@pytest.mark.parametrize(
    ("labels", "genre", "names"),
    [
        (VOC, "human", "person"),
        (VOC, "animal", "bird cat cow dog horse sheep"),
        (VOC, "vehicle", "aeroplane bicycle boat bus car motorbike train"),
        (VOC, "background", "background"),
        (CITYSCAPES, "human", "person rider"),
        (CITYSCAPES, "ground", "road sidewalk terrain"),
        (ADE20K, "water", "water sea river swimming_pool waterfall lake"),
        (ADE20K, "animal", "animal"),
    ],
    ids=lambda value: getattr(value, "name", value),
)
def test_genres_are_what_people_expect(labels: LabelSet, genre: str, names: str) -> None:
    rolled_up = zip(labels.names, labels.genres, strict=True)
    found = [name.replace(" ", "_") for name, of in rolled_up if of == genre]
    assert sorted(found) == sorted(names.split())


def test_the_demo_s_classes_are_genres() -> None:
    assert SCENES.genres == ("background", "human", *SCENES.names[2:])


@given(label_sets())
def test_genres_decide_no_mask(labels: LabelSet) -> None:
    decided = labels.deciding_dict()
    assert not any("genre" in entry for entry in decided["classes"])
    earlier = LabelSet.from_dict(decided)
    assert earlier.deciding_dict() == decided
    assert earlier.genres == tuple(genre_of(name) for name in labels.names)


def test_a_class_that_says_no_genre_has_that_of_its_name() -> None:
    names = ["Background", "traffic_light", "Animal", "roof", " dog "]
    assert LabelSet.from_dict(names).genres == (
        "background",
        "object",
        "animal",
        "object",
        "animal",
    )


@given(label_sets())
def test_palette_survives_an_indexed_png(labels: LabelSet) -> None:
    mask = Image.fromarray(np.arange(256, dtype=np.uint8).reshape(16, 16), "P")
    mask.putpalette(labels.palette_bytes())
    png = io.BytesIO()
    mask.save(png, "PNG")
    colors = np.asarray(Image.open(png).convert("RGB")).reshape(256, 3)
    assert [tuple(color) for color in colors[: len(labels)].tolist()] == list(labels.palette)
    assert tuple(colors[255].tolist()) == (224, 224, 192)


@pytest.mark.parametrize(
    ("names", "palette", "ignore_label", "message"),
    [
        ((), (), 255, "1 to 255 classes are possible, not 0"),
        (("a", "b"), ((0, 0, 0),), 255, "2 class names but 1 colours"),
        (("a", "b", "a"), ((0, 0, 0),) * 3, 255, "two classes are named 'a'"),
        (("a", " "), ((0, 0, 0),) * 2, 255, "class 1 has an empty name"),
        (("a",), ((0, 0, 256),), 255, "the colour of 'a' is"),
        (("a",), ((0, -1, 0),), 255, "the colour of 'a' is"),
        (("a", "b"), ((0, 0, 0),) * 2, 1, "the ignore label 1 must lie between"),
        (("a", "b"), ((0, 0, 0),) * 2, 256, "the ignore label 256 must lie between"),
    ],
)
def test_sets_that_cannot_be_are_refused(
    names: tuple[str, ...],
    palette: tuple[tuple[int, int, int], ...],
    ignore_label: int,
    message: str,
) -> None:
    with pytest.raises(LabelError, match=message):
        LabelSet("set", names, palette, ignore_label)


def test_cityscapes_official_ids_and_train_ids_are_inverse() -> None:
    assert [label.official_id for label in OFFICIAL_LABELS] == list(range(34))
    every_train_id = np.array([*range(19), 255], np.uint8)
    np.testing.assert_array_equal(
        official_ids(every_train_id),
        [7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33, 0],
    )
    np.testing.assert_array_equal(train_ids(official_ids(every_train_id)), every_train_id)
    learnt = [label.official_id for label in OFFICIAL_LABELS if label.train_id != 255]
    assert np.flatnonzero(train_ids(np.arange(34)) != 255).tolist() == learnt


def test_cityscapes_has_its_seven_official_categories_beside_genres() -> None:
    """Each of those that are evaluated has learnt classes, as the official script counts them."""
    learnt = Counter(label.category for label in OFFICIAL_LABELS if label.train_id != 255)
    assert learnt == {
        "flat": 2,
        "construction": 3,
        "object": 3,
        "nature": 2,
        "sky": 1,
        "human": 2,
        "vehicle": 6,
    }


def test_cityscapes_ids_keep_shape_and_refuse_strangers() -> None:
    mask = np.full((2, 3), 18, np.int64)
    assert official_ids(mask).shape == (2, 3)
    assert official_ids(mask).dtype == np.uint8
    with pytest.raises(ValueError, match="19 is no train id"):
        official_ids(np.array([0, 19]))
    with pytest.raises(ValueError, match="34 is no official id"):
        train_ids(np.array([0, 34], np.uint8))
    with pytest.raises(ValueError, match="-1 is no official id"):
        train_ids(np.array([-1]))
    with pytest.raises(ValueError, match="256 is no train id"):
        official_ids(np.array([256]))


def test_label_sets_need_no_network_library() -> None:
    heavy = ("tensorflow", "keras", "cv2", "numpy", "apache_beam")
    probe = f"import sys, deeplab.labels; print([m for m in {heavy} if m in sys.modules])"
    answer = subprocess.run(
        [sys.executable, "-c", probe], capture_output=True, text=True, check=True
    )
    assert answer.stdout.strip() == "[]"
