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
from beam_deeplab.transforms.sources.patterns import Glob, is_wild

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
