from __future__ import annotations

import pytest
from pydantic import ValidationError

from beam_deeplab.deeplab.architecture import AsppConfig, DecoderConfig, DeepLabConfig
from beam_deeplab.deeplab.architecture.config import LOW_LEVEL_ENDPOINTS
from beam_deeplab.deeplab.training.config import (
    AsppSettings,
    DecoderSettings,
    InputConfig,
    ModelConfig,
    OptimizerConfig,
    StoppingConfig,
    TrainingConfig,
)


def test_a_model_is_described_for_any_number_of_classes() -> None:
    model = ModelConfig(
        "voc",
        depth_multiplier=0.5,
        channel_divisor=8,
        aspp=AsppSettings((3, 6), channels=64),
        decoder=DecoderSettings(24, 48),
    )
    assert model.network(5) == DeepLabConfig(
        "mobilenet_v2",
        5,
        depth_multiplier=0.5,
        channel_divisor=8,
        aspp=AsppConfig((3, 6), channels=64),
        decoder=DecoderConfig(LOW_LEVEL_ENDPOINTS["mobilenet_v2"], 24, 48),
    )


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"backbone": "resnet"}, "backbone 'resnet' is none of"),
        ({"output_stride": 4}, "output stride 4"),
        ({"backbone": "xception_65", "depth_multiplier": 0.5}, "depth multiplier"),
        ({"output_stride": 32, "aspp": AsppSettings((3,))}, "not whole at stride 32"),
    ],
)
def test_a_network_that_cannot_be_is_refused(values: dict[str, object], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        ModelConfig("voc", **values)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("kind", "values", "words"),
    [
        (InputConfig, {"scale": (2.0, 0.5)}, "scale is"),
        (InputConfig, {"hue": 1.5}, "hue"),
        (InputConfig, {"validation_fraction": 1.0}, "validation_fraction"),
        (InputConfig, {"crop": (257, 1025)}, "crop is not larger"),
        (InputConfig, {"crop_epochs": 3}, "needs a crop"),
        (OptimizerConfig, {"epochs": 0}, "greater than or equal to 1"),
        (OptimizerConfig, {"learning_rate": 0.0}, "greater than 0"),
        (OptimizerConfig, {"learning_rate": float("inf")}, "finite number"),
        (OptimizerConfig, {"weight_decay": -1.0}, "weight_decay"),
        (OptimizerConfig, {"ema": 1.0}, "less than 1"),
        (OptimizerConfig, {"clip_norm": 0.0}, "clip_norm"),
        (OptimizerConfig, {"class_weights": (0.0, 0.0)}, "class_weights"),
        (StoppingConfig, {"patience": 0}, "patience"),
    ],
)
def test_values_out_of_their_range_are_refused(
    kind: type, values: dict[str, object], words: str
) -> None:
    with pytest.raises(ValidationError, match=words):
        kind(**values)


@pytest.mark.parametrize(
    ("stride", "sizes", "advice"),
    [
        (16, {"canvas": (513, 500)}, r"canvas: .* 16 plus one: use 497 or 513, not 500"),
        (8, {"crop": (128, 129)}, "crop: .* 8 plus one: use 121 or 129, not 128"),
        (16, {"canvas": (0, 17)}, "canvas: .* use 1 or 17, not 0"),
    ],
)
def test_sizes_that_do_not_fit_the_output_stride_are_refused_with_advice(
    stride: int, sizes: dict[str, tuple[int, int]], advice: str
) -> None:
    with pytest.raises(ValidationError, match=advice):
        TrainingConfig(ModelConfig("voc", output_stride=stride), InputConfig(**sizes))  # type: ignore[arg-type]


def test_crops_are_for_the_first_epochs() -> None:
    whole = InputConfig((257, 321))
    always = InputConfig((257, 321), crop=(129, 129))
    first = InputConfig((257, 321), crop=(129, 129), crop_epochs=2)
    assert [whole.crop_of(epoch) for epoch in range(3)] == [(257, 321)] * 3
    assert [always.crop_of(epoch) for epoch in range(3)] == [(129, 129)] * 3
    assert [first.crop_of(epoch) for epoch in range(3)] == [(129, 129)] * 2 + [(257, 321)]
