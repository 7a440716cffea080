from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from beam_deeplab.deeplab.architecture import DeepLabConfig
from beam_deeplab.deeplab.checkpoints import Checkpoint, CheckpointError, open_checkpoint


def _checkpoint(config: DeepLabConfig | None) -> Checkpoint:
    return Checkpoint(Path("m"), {}, "00", lambda name: np.zeros(1, np.float32), config)


def test_a_written_configuration_is_taken_at_the_wanted_stride() -> None:
    config = DeepLabConfig("xception_41", 3, output_stride=16, multi_grid=(1, 2, 4))
    at_8 = _checkpoint(config).config_at(8)
    assert (at_8.output_stride, at_8.multi_grid) == (8, (1, 2, 4))


def test_without_one_it_is_inferred() -> None:
    with pytest.raises(CheckpointError, match="no network is known"):
        _checkpoint(None).config_at(16)


def test_the_official_checkpoint_tells_its_network(mobilenet_checkpoint: Path) -> None:
    config = open_checkpoint(mobilenet_checkpoint).config_at(8)
    assert (config.backbone, config.depth_multiplier, config.num_classes) == (
        "mobilenet_v2",
        1.0,
        21,
    )
    assert config.aspp is not None
    assert config.aspp.rates == ()
    assert (config.decoder, config.output_stride) == (None, 8)
