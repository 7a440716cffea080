"""Images and truths by their names: each name ends in one place, whatever tools appended."""

from __future__ import annotations

import dataclasses
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beam_deeplab.deeplab.truth.pairing import NamePairing, pair_names, stem_of


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("/a/b.c/photo.jpg", "photo"),
        ("gs://bucket/x.y.png", "x.y"),
        ("/a/noending", "noending"),
        ("/Upper.PNG", "Upper"),
        ("/.hidden", ".hidden"),
        ("cafe\u0301.png", "caf\u00e9"),
    ],
)
def test_stems(name: str, stem: str) -> None:
    assert stem_of(name) == stem


@pytest.mark.parametrize(
    ("image", "truth"),
    [
        ("x.jpg", "x.png"),
        ("a_0_leftImg8bit.png", "a_0_gtFine_labelIds.png"),
        ("a_0_leftImg8bit.png", "a_0_gtCoarse_labelTrainIds.png"),
        ("a_0_leftImg8bit.png", "a_0_gtFine_color.png"),
        ("0001TP_006690.png", "0001TP_006690_L.png"),
        ("ISIC_01.jpg", "ISIC_01_segmentation.png"),
        ("ISIC_01.jpg", "ISIC_01_Segmentation.png"),
        ("0cdf_01.jpg", "0cdf_01_mask.gif"),
        ("6_sat.jpg", "6_mask.png"),
        ("x.jpg", "x.jpg.png"),
        ("x.jpg", "x.jpg_mask.png"),
        ("x.jpg", "x_mask.jpg.png"),
        *(
            ("x.1.jpg", f"x.1{e}.png")
            for e in ("_label", "-mask", "_labels", "_gt", "_seg", ".mask")
        ),
        *(("x.jpg", f"x{e}.png") for e in ("_annotation", "_train_id", "-masks", "_groundtruth")),
        ("frame_L.jpg", "frame_L.png"),
        ("frame_L.jpg", "frame_L_mask.png"),
        ("car_gt.jpg", "car_gt_mask.png"),
        ("caf\u00e9.jpg", "cafe\u0301.png"),
        ("cafe\u0301.jpg", "caf\u00e9_mask.png"),
    ],
)
def test_names_that_tools_and_data_sets_give(image: str, truth: str) -> None:
    assert pair_names([image], [truth]).pairs == [(image, truth)]


@pytest.mark.parametrize(
    ("image", "truth"),
    [("x.jpg", "X.png"), ("x.jpg", "xmask.png"), ("x.jpg", "y_mask.png"), ("x_mask.jpg", "x.png")],
)
def test_names_of_different_things(image: str, truth: str) -> None:
    found = pair_names([image], [truth])
    assert (found.pairs, found.without_truth, found.without_image) == ([], [image], [truth])


def test_an_ending_can_be_said() -> None:
    images, truths = ["21.tif", "22.tif"], ["21_manual1.gif", "22_manual1.gif", "21_mask.gif"]
    for ending in ("_manual1", "_manual1.gif"):
        found = pair_names(images, truths, ending)
        assert found.pairs == list(zip(images, truths[:2], strict=True))
        assert found.left_out == ["21_mask.gif"]


def test_of_several_truths_the_best_counts_and_the_others_are_left_out() -> None:
    kinds = ("color.png", "instanceIds.png", "labelIds.png", "labelTrainIds.png")
    truths = [f"a_0_gtFine_{kind}" for kind in kinds]
    found = pair_names(["a_0_leftImg8bit.png"], truths)
    assert found.pairs == [("a_0_leftImg8bit.png", truths[2])]
    assert found.left_out == [truths[0], truths[1], truths[3]]
    found = pair_names(["a.jpg"], ["m/a.png", "m/a_color.png"])
    assert (found.pairs, found.left_out) == ([("a.jpg", "m/a.png")], ["m/a_color.png"])


@pytest.mark.parametrize(
    ("images", "truths"),
    [
        (["i/s1/1.jpg", "i/s2/1.jpg"], ["t/s1/1.png", "t/s2/1.png"]),
        (["bear/images/1.jpg", "camel/images/1.jpg"], ["bear/masks/1.png", "camel/masks/1.png"]),
        (["i/x/s1/1.jpg", "i/y/s1/1.jpg"], ["t/x/s1/1_mask.png", "t/y/s1/1_mask.png"]),
        (["gs://b/i/cafe\u0301/1.jpg", "gs://b/i/b/1.jpg"], ["t/caf\u00e9/1.png", "t/b/1.png"]),
    ],
)
def test_files_of_one_name_are_told_apart_by_their_folders(
    images: list[str], truths: list[str]
) -> None:
    expected = sorted(zip(images, truths, strict=True))
    found = pair_names(images, reversed(truths))
    assert found == NamePairing(pairs=expected)


def test_a_subset_of_the_folders_is_told_apart_too() -> None:
    found = pair_names(["i/s1/1.jpg"], ["t/s1/1.png", "t/s2/1.png"])
    assert found.pairs == [("i/s1/1.jpg", "t/s1/1.png")]
    assert found.without_image == ["t/s2/1.png"]


def test_what_nobody_can_tell_is_ambiguous() -> None:
    found = pair_names(["i/c.jpg", "j/c.png", "i/d.jpg"], ["t/c.png", "t/d.png", "t/d.PNG"])
    assert found.pairs == []
    assert found.ambiguous == [
        (["i/c.jpg", "j/c.png"], ["t/c.png"]),
        (["i/d.jpg"], ["t/d.PNG", "t/d.png"]),
    ]


def test_one_folder_may_hold_images_and_truths() -> None:
    names = ["a.png", "a_mask.png", "b.png", "b-label.png", "c.png"]
    found = pair_names(names, names)
    assert found.pairs == [("a.png", "a_mask.png"), ("b.png", "b-label.png")]
    assert found.named_twice == ["c.png"]


NAMES = st.builds(
    "{}/{}{}{}".format,
    st.sampled_from("ij"),
    st.sampled_from(["a", "b", "c\u0301"]),
    st.sampled_from(["", "_mask", "_color", "_leftImg8bit"]),
    st.sampled_from([".png", ".jpg"]),
)


@given(images=st.sets(NAMES), truths=st.sets(NAMES), data=st.data())
def test_each_name_ends_in_one_place_in_any_order(
    images: set[str], truths: set[str], data: st.DataObject
) -> None:
    found = pair_names(images, truths)
    ended = [name for pair in found.pairs for name in pair]
    ended += [*found.without_truth, *found.without_image, *found.left_out, *found.named_twice]
    ended += [name for group in found.ambiguous for side in group for name in side]
    assert sorted(ended) == sorted(images | truths)
    again = pair_names(
        data.draw(st.permutations(sorted(images))), data.draw(st.permutations(sorted(truths)))
    )
    assert dataclasses.asdict(again) == dataclasses.asdict(found)
    composed = pair_names(images, [unicodedata.normalize("NFC", name) for name in truths - images])
    assert len(composed.pairs) == len(pair_names(images, truths - images).pairs)
