"""Globs: what the standard library's glob finds locally, and the same in gs://."""

from __future__ import annotations

import glob
import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from beam_deeplab.transforms.sources.matching import match_files
from beam_deeplab.transforms.sources.patterns import Glob, PatternError, alternatives, is_wild

NAMES = st.sampled_from(["a", "b", "ab", ".h", "a.jpg", "b.jpg", ".h.jpg", "[1]"])
SEGMENTS = st.sampled_from(
    ["*", "?", "a*", "**", "*.jpg", "[ab]", "[!a]", ".*", ".h", "a", "*b*", "[", "[z-a]", "**"]
)
TREES = st.lists(st.lists(NAMES, min_size=1, max_size=4), max_size=12)


@example([["a", "a.jpg"], ["a.jpg"], ["a", ".h", "b.jpg"]], ["**", "*.jpg"])
@example([[".h", "a", "b.jpg"], ["a", ".h", "b.jpg"]], ["**", ".h", "**", "*"])
@example([[".h"]], [".h", "**"])
@given(tree=TREES, segments=st.lists(SEGMENTS, min_size=1, max_size=4))
def test_matches_are_those_of_the_standard_library(
    tree: list[list[str]], segments: list[str]
) -> None:
    pattern = "/".join(segments)
    if not is_wild(pattern):
        return
    with tempfile.TemporaryDirectory() as root:
        for names in tree:
            path = Path(root, *names)
            if not any(each.is_file() for each in path.parents) and not path.exists():
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(b"")
        # Not Path.glob, which matches hidden names.
        found = glob.glob(f"{glob.escape(root)}/{pattern}", recursive=True)  # noqa: PTH207
        # It gives "a/" for "a/**" even where "a" is a file; Path would drop the slash.
        expected = sorted({path for path in found if os.path.isfile(path)})  # noqa: PTH113
        ours = [ref.uri for ref in match_files(Glob.parse(f"{root}/{pattern}"))]
        assert sorted(ours) == expected
        assert len(ours) == len(set(ours))


@given(
    names=st.lists(NAMES, min_size=1, max_size=5),
    segments=st.lists(SEGMENTS, min_size=1, max_size=4),
)
def test_no_folder_of_a_match_is_passed_over(names: list[str], segments: list[str]) -> None:
    found = Glob("root", tuple(segments))
    if found.matches("/".join(names)):
        for depth in range(1, len(names)):
            assert found.may_match_below("/".join(names[:depth]))


@pytest.mark.parametrize(
    ("pattern", "folder", "segments", "prefix", "is_flat"),
    [
        ("gs://b/*.jpg", "gs://b", ("*.jpg",), "", True),
        ("gs://b/photos/2024-*.jpg", "gs://b/photos", ("2024-*.jpg",), "2024-", True),
        ("gs://b/photos/**", "gs://b/photos", ("**",), "", False),
        ("gs://b/**.jpg", "gs://b", ("**", "*.jpg"), "", False),
        ("/photos/*/left/?.png", "/photos", ("*", "left", "?.png"), "", False),
    ],
)
def test_a_pattern_is_split_into_what_is_listed_and_what_is_matched(
    pattern: str, folder: str, segments: tuple[str, ...], prefix: str, is_flat: bool
) -> None:
    parsed = Glob.parse(pattern)
    assert parsed == Glob(folder, segments)
    assert (parsed.prefix, parsed.is_flat) == (prefix, is_flat)


@pytest.mark.parametrize(
    ("pattern", "below", "not_below"),
    [
        ("/p/*/left/*.png", ["a", "a/left"], [".a", "a/right", "a/left/b"]),
        ("/p/**/*.png", ["a", "a/b/c"], [".a", "a/.b"]),
        ("/p/*/.h/**", ["a", "a/.h", "a/.h/b"], ["a/b", "a/.h/.b"]),
        ("/p/[1]/x [2]/*", ["1", "[1]", "1/x 2", "1/x [2]"], ["2", "1/x [3]", "1/x 2/3"]),
    ],
)
def test_only_folders_that_can_hold_a_match_are_entered(
    pattern: str, below: list[str], not_below: list[str]
) -> None:
    found = Glob.parse(pattern)
    assert [each for each in [*below, *not_below] if found.may_match_below(each)] == below


def test_brackets_stand_for_themselves_too() -> None:
    found = Glob.parse("/p/a[12]/[ab]*[3].jpg")
    for path in ("a1/b3.jpg", "a[12]/a[3].jpg", "a2/[ab] x3.jpg", "a[12]/bx3.jpg"):
        assert found.matches(path)
    for path in ("a3/b3.jpg", "a[12]/c3.jpg", "a12/b3.jpg"):
        assert not found.matches(path)


def test_extended_patterns_are_names() -> None:
    """Copies are called so; wcmatch has patterns like these, which stay off."""
    for pattern, name in (
        ("*(1).jpg", "IMG (1).jpg"),
        ("!(a).jp*", "!(a).jpg"),
        ("@(a)*", "@(a)b"),
    ):
        assert Glob.parse(f"/p/{pattern}").matches(name)
        assert not Glob.parse(f"/p/{pattern}").matches("a.jpg")


def test_braces_are_expanded_first() -> None:
    assert alternatives("gs://b/{a,c/d}/*.{jpg,png}") == [
        "gs://b/a/*.jpg", "gs://b/a/*.png", "gs://b/c/d/*.jpg", "gs://b/c/d/*.png",
    ]  # fmt: skip
    for literal in ("photos {old}", "a{b", "a}b", "plain"):
        assert alternatives(literal) == [literal]
    with pytest.raises(PatternError, match="more than 1000"):
        alternatives("{1..100}{1..100}")
