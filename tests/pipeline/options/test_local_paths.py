from __future__ import annotations

from pathlib import Path

import pytest

from beam_deeplab.pipeline.cli import main
from beam_deeplab.pipeline.options import UsageError
from beam_deeplab.pipeline.options.local_paths import local_flag


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
