"""Whatever a name holds, a terminal only shows it."""

from __future__ import annotations

import io
from dataclasses import MISSING, fields
from typing import Any

import pytest
from rich.table import Table

from beam_deeplab.deeplab.labels import LabelSet
from beam_deeplab.pipeline.cli import main
from beam_deeplab.pipeline.reports.catalogue import print_classes
from beam_deeplab.pipeline.reports.run_summary import print_summary
from beam_deeplab.pipeline.terminal import open_console, safe_line
from beam_deeplab.transforms.runs.manifest import Manifest

STEERING = [
    "\x1b[31mred",
    "\x1b]8;;http://x\x07link",
    "\x9b2J",
    "a\nb\r\tc",
    "\x7f\x00",
    "abc\u202egpj",
    "\u2066x\u2069",
    "caf\udce9.jpg",
    "\ud800",
    "line\u2028end",
]
MARKUP = ["[/red]", "[bold]x[/bold]", "[link=http://x]y[/link]", "[red]", ":smile:", "\\[x"]


def _is_text(name: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in name)


@pytest.mark.parametrize("text", STEERING)
def test_a_steering_text_is_shown_and_does_nothing(text: str) -> None:
    line = safe_line(text)
    assert line.isprintable()
    assert "\\" in line
    line.encode()


@pytest.mark.parametrize("text", [*MARKUP, "plain", "snowman ☃ 写真 é", "👩\u200d🚀"])
def test_all_else_is_left_alone(text: str) -> None:
    assert safe_line(text) == text


def test_a_byte_that_is_no_text_is_shown_as_a_byte() -> None:
    assert safe_line(b"caf\xe9.jpg".decode("utf-8", "surrogateescape")) == r"caf\xe9.jpg"


@pytest.mark.parametrize("text", MARKUP)
def test_a_console_takes_markup_for_text(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    console = open_console()
    table = Table(title=text, show_header=False)
    table.add_row(text)
    console.print(table)
    console.print(text)
    assert capsys.readouterr().out.count(text) == 3


@pytest.mark.parametrize("name", [*(name for name in STEERING if _is_text(name)), *MARKUP])
def test_class_names_are_data(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    print_classes(LabelSet.from_dict(["background", name], name="mine"))
    assert safe_line(name) in capsys.readouterr().out.replace("…", "")


@pytest.mark.parametrize("name", [*STEERING, *MARKUP])
def test_a_finished_run_says_so_whatever_its_names(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    print_summary(_manifest(name), f"/out/{name}", 1.0)
    out = capsys.readouterr().out
    assert f"Committed: /out/{safe_line(name)}" in out
    assert out.count(safe_line(name)) == 4


@pytest.mark.parametrize("name", [*STEERING, *MARKUP])
def test_an_error_is_one_line_whatever_it_names(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["classes", "--model", f"/nowhere/{name}"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.isprintable()


def _manifest(name: str) -> Manifest:
    """Of a run whose classes, codes and engine have this name."""
    counts = ("inputs", "duplicates", "skipped", "not_in_inputs", "total_masks", "total_failures")
    warned_of = ("barely_seen", "truncated", "discarded_parts", "ignored_pixels")
    values: dict[str, Any] = {
        field.name: None
        for field in fields(Manifest)
        if field.default is MISSING and field.default_factory is MISSING
    } | {
        "counts": dict.fromkeys(counts, 1) | dict.fromkeys(warned_of, 0),
        "class_pixels": {name: 10},
        "failures_by_code": {name: 1},
        "options": {"engine": name, "precision": "f32"},
        "seconds": 1.0,
        "writers": [],
    }
    return Manifest(**values)


def test_an_output_of_another_encoding_is_no_reason_to_fail(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii", errors="strict")
    monkeypatch.setattr("sys.stdout", stream)
    assert main(["models"]) == 0
