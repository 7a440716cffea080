"""Names are unique, relative, and what their readers can take."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beam_deeplab.transforms.parquet.names import collection_root, column_names, relative_name


@pytest.mark.parametrize(
    ("patterns", "root"),
    [
        (["/data/photos/*.jpg"], "/data/photos"),
        (["/data/photos/**"], "/data/photos"),
        (["/data/a/x.jpg", "/data/b/*"], "/data"),
        (["gs://b/photos/2024/*", "gs://b/photos/2025/*"], "gs://b/photos"),
        (["gs://a/*", "gs://b/*"], ""),
        (["/data/*", "gs://b/*"], ""),
        (["/data/ph[ae]*/x/*"], "/data"),
        (["/data/photos"], "/data/photos"),
        (["gs://b/photos/"], "gs://b/photos"),
        (["gs://b/photos/v1.2", "gs://b/photos/a.JPG"], "gs://b/photos"),
        (["/data/photos/list.csv"], "/data/photos"),
    ],
)
def test_the_root_is_what_all_patterns_share(patterns: list[str], root: str) -> None:
    assert collection_root(patterns) == root


@pytest.mark.parametrize(
    ("uri", "root", "name"),
    [
        ("/data/photos/a.jpg", "/data", "photos/a.jpg"),
        ("gs://b/photos/a.jpg", "gs://b/photos", "a.jpg"),
        ("/database/a.jpg", "/data", "database/a.jpg"),
        ("gs://b/a.jpg", "", "b/a.jpg"),
    ],
)
def test_names_are_relative(uri: str, root: str, name: str) -> None:
    assert relative_name(uri, root) == name


@given(st.lists(st.text(min_size=1), unique=True, max_size=30))
def test_columns_are_identifiers_that_differ(class_names: list[str]) -> None:
    names = column_names(class_names, "fraction_")
    assert len({name.lower() for name in names}) == len(class_names)
    assert all(re.fullmatch(r"[a-z_][a-z0-9_]{0,299}", name) for name in names)
