"""The values of flags."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from beam_deeplab.pipeline.options.values import byte_count, location


@pytest.mark.parametrize(
    ("text", "number"),
    [("1", 1), ("1000000", 10**6), ("500MB", 500 * 10**6), ("2GiB", 2**31), ("1.5 kib", 1536),
     ("3G", 3 * 10**9), ("7b", 7)],
)  # fmt: skip
def test_bytes_are_counted(text: str, number: int) -> None:
    assert byte_count(text) == number


@pytest.mark.parametrize("text", ["", "0", "-1", "x", "1 EB", "0.1", "1e9"])
def test_what_is_no_number_of_bytes_is_told(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="no number of bytes"):
        byte_count(text)


def test_a_location_is_absolute_and_never_empty(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert location("a/../b") == f"{tmp_path}/b"
    assert location("gs://b/a") == "gs://b/a"
    for text in ("", " "):
        with pytest.raises(argparse.ArgumentTypeError, match="empty"):
            location(text)
