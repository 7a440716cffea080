"""The card of an output: its header is data that readers take, whatever classes are called."""

from __future__ import annotations

import pytest
import yaml

from beam_deeplab.transforms.runs.card import data_card

COUNTS = {"total_masks": 1234, "total_failures": 5}


def test_the_header_names_each_folder_and_the_default() -> None:
    card = data_card(COUNTS, ["background", "dog"], "m", ["masks", "images"])
    _, header, body = card.split("---\n", 2)
    assert yaml.safe_load(header)["configs"] == [
        {"config_name": "masks", "data_files": "masks/*.parquet", "default": True},
        {"config_name": "images", "data_files": "images/*.parquet"},
    ]
    assert "1,234 masks and 5 failures" in body
    assert "| 1 | `dog` |" in body


@pytest.mark.parametrize("name", ["a\n---\nb", "x | y", "`code`", "\x1b[31m"])
def test_class_names_are_no_markup(name: str) -> None:
    (line,) = (
        line
        for line in data_card(COUNTS, [name], "m", ["masks"]).splitlines()
        if line.startswith("| 0 |")
    )
    assert line.endswith("` |")
    assert "\x1b" not in line
    assert line.replace(r"\|", "").count("|") == 3
