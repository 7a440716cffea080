from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beam_deeplab.deeplab.training.pairs import (
    DataError,
    Folders,
    Pair,
    find_folders,
    find_pairs,
    hold_out,
    list_data,
)


def _touch(folder: Path, *names: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"")
    return folder


def _names(pairs: list[Pair] | None) -> list[str]:
    assert pairs is not None
    return [pair.name for pair in pairs]


@pytest.mark.parametrize(
    ("made", "found"),
    [
        (("images", "truth"), ("images", "truth")),
        (("images", "masks"), ("images", "masks")),
        (("JPEGImages", "SegmentationClass"), ("JPEGImages", "SegmentationClass")),
        (
            ("JPEGImages", "SegmentationClass", "SegmentationClassAug"),
            ("JPEGImages", "SegmentationClassAug"),
        ),
        (("leftImg8bit", "gtFine", "gtCoarse"), ("leftImg8bit", "gtFine")),
    ],
)
def test_layouts_of_data_sets_are_found(
    tmp_path: Path, made: tuple[str, ...], found: tuple[str, str]
) -> None:
    for name in made:
        (tmp_path / name).mkdir()
    assert find_folders([tmp_path]) == Folders(tmp_path / found[0], tmp_path / found[1])


def test_two_folders_are_taken_as_they_are(tmp_path: Path) -> None:
    a, b = _touch(tmp_path / "a"), _touch(tmp_path / "b")
    assert find_folders([str(a), b]) == Folders(a, b)


def test_folders_that_hold_no_pairs_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="neither images/ and truth/, nor JPEGImages/"):
        find_folders([tmp_path])
    with pytest.raises(DataError, match="none is not a folder"):
        find_folders([tmp_path / "none"])
    with pytest.raises(DataError, match="one folder"):
        find_folders([tmp_path] * 3)


def test_files_are_paired_by_name(tmp_path: Path) -> None:
    hidden = (".c.jpg", ".d/d.jpg")
    images = _touch(tmp_path / "i", "b.JPEG", "a.webp", "s/b.jpg", "notes.txt", *hidden)
    truth = _touch(tmp_path / "t", "a_mask.gif", "b.png", "s/b.png", "labels.json")
    pairs, problems = find_pairs(Folders(images, truth))
    assert pairs == [
        Pair("a", images / "a.webp", truth / "a_mask.gif"),
        Pair("b", images / "b.JPEG", truth / "b.png"),
        Pair("s/b", images / "s/b.jpg", truth / "s/b.png"),
    ]
    assert problems == []


def test_masks_below_or_beside_the_pictures_are_no_pictures(tmp_path: Path) -> None:
    below = _touch(tmp_path / "below", "a.png", "masks/a.png")
    pairs, problems = find_pairs(Folders(below, below / "masks"))
    assert (_names(pairs), problems) == (["a"], [])
    beside = _touch(tmp_path / "beside", "a.png", "a_mask.png", "b.png", "b-label.png")
    listing = list_data([beside])
    assert (_names(listing.training), listing.problems) == (["a", "b"], [])


def test_files_without_a_partner_are_problems(tmp_path: Path) -> None:
    images = _touch(tmp_path / "i", "a.jpg", "b.jpg", "twice.jpg", "twice.png")
    truth = _touch(tmp_path / "t", "b.png", "c.png", "twice.png")
    pairs, problems = find_pairs(Folders(images, truth))
    assert _names(pairs) == ["b"]
    assert [str(problem) for problem in problems] == [
        f"{images}/twice.jpg: cannot be told apart from {images}/twice.png, {truth}/twice.png",
        f"{images}/a.jpg: has no mask in {truth}",
        f"{truth}/c.png: has no picture in {images}",
    ]


def test_most_of_voc_s_photos_have_no_mask(tmp_path: Path) -> None:
    images = _touch(tmp_path / "JPEGImages", "a.jpg", "b.jpg")
    truth = _touch(tmp_path / "SegmentationClass", "b.png")
    pairs, problems = find_pairs(Folders(images, truth))
    assert (_names(pairs), problems) == (["b"], [])


def _voc(root: Path, masks: str, **lists: str) -> Path:
    _touch(root / "JPEGImages", *(f"{name}.jpg" for name in "abcde"))
    _touch(root / masks, *(f"{name}.png" for name in "abcd"))
    for name, content in lists.items():
        folder = _touch(root / "ImageSets" / "Segmentation")
        (folder / f"{name}.txt").write_text(content)
    return root


@pytest.mark.parametrize(
    ("masks", "lists", "training", "validation"),
    [
        ("SegmentationClass", {"train": "b\na\n", "val": "c\n"}, "ab", "c"),
        ("SegmentationClass", {"train": "a\nb\n"}, "ab", None),
        ("SegmentationClass", {"val": "c\n"}, "abd", "c"),
        ("SegmentationClass", {"trainval": "a\nb\nc", "val": "c"}, "ab", "c"),
        ("SegmentationClass", {"train": "a", "train_aug": "a\nd"}, "a", None),
        ("SegmentationClassAug", {"train": "a", "train_aug": "a\r\nd\r\n"}, "ad", None),
        ("SegmentationClass", {}, "abcd", None),
    ],
)
def test_voc_s_own_lists_split_its_photos(
    masks: str, lists: dict[str, str], training: str, validation: str | None, tmp_path: Path
) -> None:
    root = _voc(tmp_path, masks, **lists)
    for paths in ([root], [root / "JPEGImages", root / masks]):
        listing = list_data(paths)
        assert _names(listing.training) == list(training)
        assert listing.problems == []
        if validation is None:
            assert listing.validation is None
        else:
            assert _names(listing.validation) == list(validation)


def test_a_list_that_names_what_is_not_there_is_a_problem(tmp_path: Path) -> None:
    root = _voc(tmp_path, "SegmentationClass", train="a\ne\nf\n")
    (problem,) = list_data([root]).problems
    assert problem.message == "names 2 pictures that are no pair: e, f"


def test_cityscapes_as_shipped_is_split_by_its_folders(tmp_path: Path) -> None:
    for split, city in (("train", "aachen"), ("val", "ulm")):
        _touch(tmp_path / "leftImg8bit" / split / city, f"{city}_0_leftImg8bit.png")
        kinds = ("labelIds.png", "color.png", "instanceIds.png", "polygons.json")
        _touch(tmp_path / "gtFine" / split / city, *(f"{city}_0_gtFine_{kind}" for kind in kinds))
    for paths in ([tmp_path], [tmp_path / "leftImg8bit", tmp_path / "gtFine"]):
        listing = list_data(paths)
        assert listing.problems == []
        assert _names(listing.training) == ["aachen/aachen_0_leftImg8bit"]
        assert _names(listing.validation) == ["ulm/ulm_0_leftImg8bit"]
        assert listing.training[0].truth.name == "aachen_0_gtFine_labelIds.png"


@given(
    st.sets(st.text(min_size=1), max_size=60),
    st.sets(st.text(min_size=1), max_size=20),
    st.floats(0, 0.99),
)
def test_added_pairs_never_move_others(names: set[str], added: set[str], fraction: float) -> None:
    def split(names: set[str]) -> tuple[set[str], set[str]]:
        pairs = [Pair(name, Path(name), Path(name)) for name in sorted(names)]
        train, held_out = hold_out(pairs, fraction)
        assert sorted([*train, *held_out], key=lambda pair: pair.name) == pairs
        return {pair.name for pair in train}, {pair.name for pair in held_out}

    before, after = split(names), split(names | added)
    assert before[0] <= after[0]
    assert before[1] <= after[1]


def test_about_the_fraction_is_held_out() -> None:
    pairs = [Pair(f"{i:05}", Path("a"), Path("b")) for i in range(4000)]
    _, held_out = hold_out(pairs, 0.1)
    assert 340 <= len(held_out) <= 460
    assert hold_out(pairs, 0.0)[1] == []
