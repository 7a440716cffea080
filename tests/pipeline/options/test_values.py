"""The values of flags."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from beam_deeplab.pipeline.cli import main
from beam_deeplab.pipeline.commands import parse
from beam_deeplab.pipeline.options import SegmentOptions, UsageError
from beam_deeplab.pipeline.options.values import byte_count, local_flag, location, probability

PATHS = ["--input=gs://b/my photos/*", "--output=gs://b/out", "--model=m"]


@pytest.mark.parametrize("text", ["0", "1", "0.85", "1e-3"])
def test_a_probability_is_a_number_from_0_to_1(text: str) -> None:
    assert probability(text) == float(text)


@pytest.mark.parametrize("text", ["1.01", "-0.1", "nan", "inf", "half", ""])
def test_what_is_no_probability_is_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="no probability from 0 to 1"):
        probability(text)


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


def test_paths_and_file_addresses_are_absolute_paths(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/me")
    assert local_flag("--output", "a/b") == tmp_path / "a" / "b"
    assert local_flag("--output", "~/b") == Path("/home/me/b")
    assert local_flag("--output", "file:///x/a%20b") == Path("/x/a b")


@pytest.mark.parametrize("text", ["gs://bucket/x", "s3://bucket/x", "https://x", "GS://b", ""])
def test_other_places_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"--output .*takes only paths of this machine"):
        local_flag("--output", text)


@pytest.mark.parametrize("text", ["gs:/bucket/x", "S3:/b", "file:/x"])
def test_an_address_that_lost_a_slash_is_no_folder_here(
    text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(UsageError, match=r"--output .*: has one slash: write \w+://, or \./"):
        local_flag("--output", text)
    assert local_flag("--output", f"./{text}") == Path(text).absolute()
    with pytest.raises(SystemExit, match="2"):
        main(["segment", "--input", "x", "--output", text, "--model", "emoji_scenes"])
    *_, line = capsys.readouterr().err.splitlines()
    assert "argument --output: " in line
    assert "has one slash" in line


@pytest.mark.parametrize(
    "flags",
    [
        ["train", "--data", "gs://b/d", "--config", "c.toml", "--output", "o"],
        ["train", "--data", "d", "--config", "gs://b/c.toml", "--output", "o"],
        ["train", "--data", "d", "--config", "c.toml", "--output", "gs://b/o"],
        ["train", "--data", "d", "--config", "c", "--output", "o", "--validation", "gs://b/v"],
        ["demo-data", "--count", "1", "--output", "gs://b/o"],
        ["demo-data", "--count", "1", "--output", "o", "--truth", "gs://b/o"],
        ["quickstart", "--output", "gs://b/o"],
    ],
    ids=" ".join,
)
def test_every_command_says_so_at_once(
    flags: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(flags) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "takes only paths of this machine" in line
    assert not list(tmp_path.iterdir())


def _parsed(*flags: str) -> SegmentOptions:
    arguments, left_over, _ = parse(["segment", *PATHS, *flags])
    assert not left_over
    return SegmentOptions.from_arguments(arguments)


def test_values_of_several_words_and_switches_come_as_templates_pass_them() -> None:
    options = _parsed("--canvas=513 385", "--eval_scales=0.5 1", "--flip=True", "--resume=true")
    assert options == _parsed(
        "--canvas", "513", "385", "--eval_scales", "0.5", "1", "--flip", "--resume"
    )
    assert options.input == ("gs://b/my photos/*",)
    assert options.network.canvas == (513, 385)


def test_a_switch_that_is_off_is_as_good_as_none() -> None:
    assert _parsed("--resume=false", "--canvas=auto", "--quiet=FALSE") == _parsed()


def test_a_switch_is_on_or_off() -> None:
    with pytest.raises(UsageError, match=r"--resume=1: give --resume=true or --resume=false"):
        _parsed("--resume=1")


def test_beam_s_flags_are_handed_on_as_they_are() -> None:
    flags = ["--runner=DataflowRunner", "--streaming=false"]
    _, left_over, _ = parse(["segment", *PATHS, *flags])
    assert left_over == flags
