from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beam_deeplab.deeplab.architecture import AsppConfig, DecoderConfig, DeepLabConfig

aspps = st.builds(
    AsppConfig,
    rates=st.sampled_from([(), (6, 12, 18), (2,)]),
    image_pooling=st.booleans(),
    separable=st.booleans(),
    channels=st.integers(1, 512),
)
decoders = st.builds(
    DecoderConfig,
    low_level_endpoint=st.text(),
    low_level_channels=st.integers(1, 64),
    channels=st.integers(1, 256),
    separable=st.booleans(),
)
parts = {
    "num_classes": st.integers(1, 200),
    "output_stride": st.sampled_from([8, 16, 32]),
    "aspp": st.none() | aspps,
    "decoder": st.none() | decoders,
}
configs = st.builds(
    DeepLabConfig,
    backbone=st.just("mobilenet_v2"),
    depth_multiplier=st.floats(0.01, 3),
    channel_divisor=st.none() | st.integers(1, 16),
    **parts,
) | st.builds(
    DeepLabConfig,
    backbone=st.sampled_from(["xception_41", "xception_65", "xception_71"]),
    multi_grid=st.tuples(*[st.integers(1, 4)] * 3),
    **parts,
)


@pytest.mark.slow
@given(configs)
def test_json_round_trip(config: DeepLabConfig) -> None:
    kept = json.loads(json.dumps(dataclasses.asdict(config)))
    assert DeepLabConfig.from_dict(kept) == config


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"backbone": "resnet_101"}, "resnet_101"),
        ({"output_stride": 4}, "output stride 4"),
        ({"num_classes": 0}, "the number of classes: 0"),
        ({"num_classes": 256}, "from 1 to 255"),
        ({"num_classes": 2**31}, "from 1 to 255"),
        ({"num_classes": -(10**500)}, "from 1 to 255"),
        ({"depth_multiplier": 0.0}, "not above 0"),
        ({"depth_multiplier": 60}, "at most 4"),
        ({"depth_multiplier": float("nan")}, "at most 4"),
        ({"depth_multiplier": float("inf")}, "at most 4"),
        ({"channel_divisor": 0}, "the channel divisor: 0"),
        ({"multi_grid": (1, 2, 4)}, "part of Xception"),
        ({"backbone": "xception_65", "multi_grid": (1, 0, 1)}, "multi-grid: 0"),
        ({"backbone": "xception_65", "depth_multiplier": 0.5}, "only MobileNet-v2"),
        ({"output_stride": 32, "aspp": AsppConfig(rates=(3,))}, "not whole at stride 32"),
    ],
)
def test_impossible_networks_are_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        DeepLabConfig(**{"backbone": "mobilenet_v2", "num_classes": 21, **fields})


@pytest.mark.parametrize(
    "text",
    [
        "[]",
        '{"backbone": "mobilenet_v2"}',
        '{"backbone": "mobilenet_v2", "num_classes": 21, "layers": 3}',
        '{"backbone": "mobilenet_v2", "num_classes": "21"}',
        '{"backbone": "mobilenet_v2", "num_classes": 21, "aspp": {"channels": 3}}',
        '{"backbone": "mobilenet_v2", "num_classes": 21, "multi_grid": 3}',
        '{"backbone": "mobilenet_v2", "num_classes": 21, "decoder": "yes"}',
        '{"backbone": "mobilenet_v2", "num_classes": 1e400}',
        '{"backbone": ["mobilenet_v2"], "num_classes": 21}',
    ],
)
def test_what_is_not_a_configuration_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"configur|backbone|number of classes"):
        DeepLabConfig.from_dict(json.loads(text))


def test_published_rates_scale_with_the_output_stride() -> None:
    aspp = AsppConfig(rates=(6, 12, 18))
    assert aspp.rates_at(8) == (12, 24, 36)
    assert aspp.rates_at(16) == (6, 12, 18)
    assert aspp.rates_at(32) == (3, 6, 9)


def test_a_decoder_answers_at_stride_4() -> None:
    plain = DeepLabConfig("xception_65", 21, output_stride=8)
    assert plain.logits_stride == 8
    assert DeepLabConfig("xception_65", 21, decoder=DecoderConfig("x")).logits_stride == 4


def test_configurations_and_digests_load_neither_keras_nor_tensorflow() -> None:
    program = (
        "import sys, deeplab.architecture, deeplab.checkpoints as checkpoints\n"
        "checkpoints.digest_of, checkpoints.infer_config, checkpoints.CheckpointError\n"
        "print(sorted({'keras', 'numpy', 'tensorflow', 'safetensors'} & set(sys.modules)))"
    )
    answer = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert answer.stdout.strip() == "[]"


@pytest.mark.parametrize("channels", [0, -5, 1_500_000, 2**80, 2.5, "256", True])
def test_impossible_channels_are_refused(channels: Any) -> None:
    with pytest.raises(ValueError, match="is no whole number from 1 to 4096"):
        AsppConfig(channels=channels)
    with pytest.raises(ValueError, match="is no whole number from 1 to 4096"):
        DecoderConfig("layer_4/depthwise_output", low_level_channels=channels)
