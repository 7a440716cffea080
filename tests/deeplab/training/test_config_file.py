from __future__ import annotations

from pathlib import Path

import pytest

from beam_deeplab.deeplab.training.config import (
    AsppSettings,
    ConfigError,
    DecoderSettings,
    InputConfig,
    OptimizerConfig,
)
from beam_deeplab.deeplab.training.config_file import flat_config, parse_config, read_config

WHOLE = """
[model]
labels = "voc"
depth_multiplier = 1
[model.aspp]
rates = [6, 12, 18]
[model.decoder]
channels = 64
[input]
canvas = [257, 385]
crop = [129, 129]
[optimizer]
name = "adamw"
class_weights = [1, 0.5]
loss_stride = 4
ema = 0.5
[stopping]
patience = 3
"""


def test_every_kind_of_value_is_read() -> None:
    config = parse_config(WHOLE)
    assert config.model.aspp == AsppSettings((6, 12, 18))
    assert config.model.decoder == DecoderSettings(channels=64)
    assert isinstance(config.model.depth_multiplier, float)
    assert config.input == InputConfig((257, 385), crop=(129, 129))
    assert config.optimizer == OptimizerConfig(
        "adamw", class_weights=(1.0, 0.5), loss_stride=4, ema=0.5
    )
    assert config.stopping.patience == 3


def test_what_is_left_out_has_its_default() -> None:
    config = parse_config('[model]\nlabels = "voc"')
    assert (config.input, config.optimizer) == (InputConfig(), OptimizerConfig())


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "the file lacks model"),
        ("[model]", r"\[model\] lacks labels"),
        ('[model]\nlabel = "voc"', r"\[model\] has an unknown key 'label'; did you mean 'labels'"),
        ("[modle]", "the file has an unknown key 'modle'; did you mean 'model'"),
        ("[zzz]", "it knows model, input, optimizer, stopping"),
        ("model = 3", "model cannot be 3; it is a table"),
        ("[optimizer]\nlerning_rate = 1", "did you mean 'learning_rate'"),
        ("[model.aspp]\nrate = [6]", r"\[model.aspp\] has an unknown key 'rate'; .* 'rates'"),
        (
            "[optimizer]\nname = 'adam'",
            "name cannot be 'adam'; it should be 'sgd' or 'adamw'",
        ),
        (
            "[optimizer]\nepochs = 2.5",
            "epochs cannot be 2.5; it should be a valid integer",
        ),
        (
            "[optimizer]\nepochs = true",
            "epochs cannot be True; it should be a valid integer",
        ),
        ("[optimizer]\nloss_stride = 3", "loss_stride cannot be 3; it should be 1, 2 or 4"),
        ("[optimizer]\nepochs = 0", "cannot be 0; it should be greater than or equal to 1"),
        ("[optimizer]\nlearning_rate = nan", "cannot be nan; it should be a finite number"),
        ("[optimizer]\nepochs = 1979-05-27", "cannot be '1979-05-27'; it should be a valid int"),
        ("[model]\nlabels = 'voc'\nbackbone = 'vgg'", "^.model.: backbone 'vgg' is none of"),
        ("[input]\ncanvas = [257, 258]", "use 257 or 273, not 258"),
        (
            "[optimizer]\nema = 'much'",
            "ema cannot be 'much'; it should be a valid number$",
        ),
        (
            "[optimizer]\nclass_weights = 'even'",
            "a valid array or it should be 'balanced'",
        ),
        ("[input]\nflip = 1", "input.flip cannot be 1; it should be a valid boolean"),
        ("[input]\ncanvas = [257]", "input.canvas has too few values"),
        (
            "[input]\ncanvas = [257, 'x']",
            "canvas cannot be 'x'; it should be a valid integer",
        ),
    ],
)
def test_what_is_wrong_is_named(text: str, words: str) -> None:
    if "[model]" not in text and "model = " not in text and text and "[modle]" not in text:
        text = f"model.labels = 'voc'\n{text}"
    with pytest.raises(ConfigError, match=words):
        parse_config(text)


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"[model", "is not TOML"), (b"\xff\xfe", "is not TOML"), (b"[model]", "lacks labels")],
)
def test_a_file_that_cannot_be_taken_is_named(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "c.toml"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=f"^{path}: .*{words}"):
        read_config(path)
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        read_config(tmp_path / "none.toml")


def test_a_flat_configuration_names_every_key() -> None:
    flat = flat_config(parse_config(WHOLE))
    assert flat["model.aspp.rates"] == [6, 12, 18]
    assert flat["input.crop"] == [129, 129]
    assert flat["optimizer.seed"] == 0
    assert flat["stopping.patience"] == 3
    assert flat_config(parse_config("model.labels = 'voc'"))["model.aspp"] is None
