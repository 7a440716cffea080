from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from beam_deeplab.pipeline.options import UsageError
from beam_deeplab.pipeline.options.train import TrainOptions, add_train_flags


def _parse(*flags: str) -> TrainOptions:
    parser = argparse.ArgumentParser()
    add_train_flags(parser)
    return TrainOptions.from_arguments(
        parser.parse_args(["--config", "c.toml", "--output", "out", *flags])
    )


def test_paths_become_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    options = _parse("--data", "a", "~/b", "--validation", "/v")
    assert options == TrainOptions(
        data=(tmp_path / "a", tmp_path / "home" / "b"),
        config=tmp_path / "c.toml",
        output=tmp_path / "out",
        validation=(Path("/v"),),
    )


def test_more_than_two_folders_are_refused() -> None:
    with pytest.raises(UsageError, match="--validation takes one folder or two"):
        _parse("--data", "a", "--validation", "a", "b", "c")


def test_a_training_is_resumed_or_overwritten(capsys: pytest.CaptureFixture[str]) -> None:
    assert _parse("--data", "a", "--resume").resume
    with pytest.raises(SystemExit):
        _parse("--data", "a", "--resume", "--overwrite")
    assert "not allowed with argument" in capsys.readouterr().err
