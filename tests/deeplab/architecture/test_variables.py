from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import pytest

from beam_deeplab.deeplab.architecture import AsppConfig, DecoderConfig, DeepLabConfig
from beam_deeplab.deeplab.architecture.builder import build_network
from beam_deeplab.deeplab.architecture.config import BACKBONES, LOW_LEVEL_ENDPOINTS
from beam_deeplab.deeplab.architecture.layers import official_variables
from beam_deeplab.deeplab.architecture.variables import variable_shapes


def _configs() -> list[DeepLabConfig]:
    configs = []
    for backbone in BACKBONES:
        plain = DeepLabConfig(backbone, 3)
        decoder = DecoderConfig(LOW_LEVEL_ENDPOINTS[backbone], 5, 7)
        configs += [
            plain,
            replace(plain, aspp=AsppConfig((6, 12, 18), channels=8), decoder=decoder),
            replace(plain, aspp=AsppConfig((2,), image_pooling=False, separable=False)),
            replace(plain, decoder=replace(decoder, separable=False)),
        ]
    small = DeepLabConfig("mobilenet_v2", 1, depth_multiplier=0.35)
    return [*configs, small, replace(small, depth_multiplier=1.4, channel_divisor=8)]


@pytest.mark.slow
@pytest.mark.parametrize("config", _configs(), ids=repr)
def test_they_are_those_of_the_built_network(config: DeepLabConfig) -> None:
    built = official_variables(build_network(config))
    assert variable_shapes(config) == {name: tuple(v.shape) for name, v in built.items()}


def test_they_need_no_keras() -> None:
    code = (
        "import sys; from beam_deeplab.deeplab.architecture import DeepLabConfig\n"
        "from beam_deeplab.deeplab.architecture.variables import variable_shapes\n"
        "assert len(variable_shapes(DeepLabConfig('xception_65', 21))) > 500\n"
        "assert not {'keras', 'tensorflow'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
