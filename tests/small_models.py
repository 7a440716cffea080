"""A whole DeepLab-v3+ that builds in a second: random weights in an official checkpoint."""

from __future__ import annotations

from pathlib import Path

from beam_deeplab.deeplab.architecture import AsppConfig, DecoderConfig, DeepLabConfig
from beam_deeplab.deeplab.architecture.config import LOW_LEVEL_ENDPOINTS
from tests.networks import set_random_weights, write_tf1_checkpoint

SMALL_CONFIG = DeepLabConfig(
    "mobilenet_v2",
    num_classes=5,
    depth_multiplier=0.35,
    aspp=AsppConfig(rates=(6, 12, 18), channels=16),
    decoder=DecoderConfig(LOW_LEVEL_ENDPOINTS["mobilenet_v2"], low_level_channels=8, channels=16),
)


def write_small_checkpoint(
    folder: Path, seed: int = 0, config: DeepLabConfig = SMALL_CONFIG
) -> Path:
    """Writes a TF1 checkpoint of a small network; returns its folder."""
    from beam_deeplab.deeplab.architecture.builder import build_network

    folder.mkdir(parents=True, exist_ok=True)
    write_tf1_checkpoint(folder / "model.ckpt", set_random_weights(build_network(config), seed))
    return folder
