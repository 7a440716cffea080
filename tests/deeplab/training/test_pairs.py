from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beam_deeplab.deeplab.training.pairs import DataError, Pair, find_folders, find_pairs, hold_out


def _touch(folder: Path, *names: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).write_bytes(b"")
    return folder


@pytest.mark.parametrize(
    ("made", "found"),
    [
        (("images", "truth"), ("images", "truth")),
        (("JPEGImages", "SegmentationClass"), ("JPEGImages", "SegmentationClass")),
        (
            ("JPEGImages", "SegmentationClass", "SegmentationClassAug"),
            ("JPEGImages", "SegmentationClassAug"),
        ),
    ],
)
def test_both_layouts_are_found(
    tmp_path: Path, made: tuple[str, ...], found: tuple[str, str]
) -> None:
    for name in made:
        (tmp_path / name).mkdir()
    assert find_folders([tmp_path]) == (tmp_path / found[0], tmp_path / found[1])


def test_two_folders_are_taken_as_they_are(tmp_path: Path) -> None:
    a, b = _touch(tmp_path / "a"), _touch(tmp_path / "b")
    assert find_folders([str(a), b]) == (a, b)


def test_folders_that_hold_no_pairs_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="neither images/ and truth/, nor JPEGImages/"):
        find_folders([tmp_path])
    with pytest.raises(DataError, match="none is not a folder"):
        find_folders([tmp_path / "none"])
    with pytest.raises(DataError, match="one folder"):
        find_folders([tmp_path] * 3)


def test_files_are_paired_by_stem(tmp_path: Path) -> None:
    images = _touch(tmp_path / "i", "b.JPEG", "a.webp", ".c.jpg", "notes.txt")
    truth = _touch(tmp_path / "t", "a.png", "b.png", "labels.json")
    pairs, problems = find_pairs(images, truth)
    assert pairs == [
        Pair("a", images / "a.webp", truth / "a.png"),
        Pair("b", images / "b.JPEG", truth / "b.png"),
    ]
    assert problems == []


def test_files_without_a_partner_are_problems(tmp_path: Path) -> None:
    images = _touch(tmp_path / "i", "a.jpg", "b.jpg", "twice.jpg", "twice.png")
    truth = _touch(tmp_path / "t", "b.png", "c.png", "twice.png")
    pairs, problems = find_pairs(images, truth)
    assert [pair.stem for pair in pairs] == ["b", "twice"]
    assert [str(problem) for problem in problems] == [
        f"{images}/twice.jpg: has the same stem as twice.png",
        f"{images}/a.jpg: has no mask a.png in {truth}",
        f"{truth}/c.png: has no picture c.* in {images}",
    ]


def test_most_of_voc_s_photos_have_no_mask(tmp_path: Path) -> None:
    images = _touch(tmp_path / "JPEGImages", "a.jpg", "b.jpg")
    truth = _touch(tmp_path / "SegmentationClass", "b.png")
    pairs, problems = find_pairs(images, truth)
    assert ([pair.stem for pair in pairs], problems) == (["b"], [])


@given(
    st.sets(st.text(min_size=1), max_size=60),
    st.sets(st.text(min_size=1), max_size=20),
    st.floats(0, 0.99),
)
def test_added_pairs_never_move_others(stems: set[str], added: set[str], fraction: float) -> None:
    def split(names: set[str]) -> tuple[set[str], set[str]]:
        pairs = [Pair(name, Path(name), Path(name)) for name in sorted(names)]
        train, held_out = hold_out(pairs, fraction)
        assert sorted([*train, *held_out], key=lambda pair: pair.stem) == pairs
        return {pair.stem for pair in train}, {pair.stem for pair in held_out}

    before, after = split(stems), split(stems | added)
    assert before[0] <= after[0]
    assert before[1] <= after[1]


def test_about_the_fraction_is_held_out() -> None:
    pairs = [Pair(f"{i:05}", Path("a"), Path("b")) for i in range(4000)]
    _, held_out = hold_out(pairs, 0.1)
    assert 340 <= len(held_out) <= 460
    assert hold_out(pairs, 0.0)[1] == []
