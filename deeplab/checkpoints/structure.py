"""A network's configuration from its variables' names and shapes alone."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from beam_deeplab.deeplab.architecture import AsppConfig, DecoderConfig, DeepLabConfig
from beam_deeplab.deeplab.architecture.blocks import mobilenet_v2_blocks
from beam_deeplab.deeplab.architecture.config import LOW_LEVEL_ENDPOINTS
from beam_deeplab.deeplab.checkpoints.files import CheckpointError

Shapes = Mapping[str, tuple[int, ...]]

_SCOPES = {
    "MobilenetV2": "mobilenet_v2",
    "xception_41": "xception_41",
    "xception_65": "xception_65",
    "xception_71": "xception_71",
}
_PUBLISHED_MULTIPLIERS = (1.0, 0.5, 0.35, 0.75, 1.3, 1.4)
_PUBLISHED_RATES = (6, 12, 18)


def infer_config(shapes: Shapes, output_stride: int = 16) -> DeepLabConfig:
    """Tells which DeepLab network variables belong to.

    What names and shapes cannot tell is taken as published: atrous rates (6, 12, 18) at output
    stride 16, no multi-grid, the backbone's own low-level endpoint.

    Args:
        shapes: Shape of each variable by its official name.
        output_stride: Of the network to build, 8, 16 or 32; weights fit any.

    Returns:
        The network's configuration.

    Raises:
        CheckpointError: They are not a DeepLab network's, or have parts that are not known here.
    """
    backbone = _backbone(shapes)
    multiplier, divisor = (1.0, None)
    if backbone == "mobilenet_v2":
        multiplier, divisor = _depth_multiplier(shapes)
    return DeepLabConfig(
        backbone=backbone,
        num_classes=_last_axis(shapes, "logits/semantic/weights"),
        output_stride=output_stride,
        depth_multiplier=multiplier,
        channel_divisor=divisor,
        aspp=_aspp(shapes),
        decoder=_decoder(shapes, backbone),
    )


def _backbone(shapes: Shapes) -> str:
    scopes = {name.partition("/")[0] for name in shapes}
    found = sorted(scopes & _SCOPES.keys())
    if len(found) != 1:
        raise CheckpointError(
            f"no network is known with the variables of {', '.join(sorted(scopes)) or 'nothing'}; "
            f"a DeepLab checkpoint has one backbone of {', '.join(_SCOPES)}"
        )
    return _SCOPES[found[0]]


def _depth_multiplier(shapes: Shapes) -> tuple[float, int | None]:
    """The multiplier whose channels are those of the checkpoint, the published ones first."""
    scopes = [f"{block.scope}/project" for block in mobilenet_v2_blocks().residuals]
    channels = [_last_axis(shapes, f"MobilenetV2/{scope}/weights") for scope in ["Conv", *scopes]]
    for multiplier, divisor in _multipliers():
        blocks = mobilenet_v2_blocks(multiplier, divisor)
        if [blocks.stem, *(block.outputs for block in blocks.residuals)] == channels:
            return multiplier, divisor
    raise CheckpointError(f"no depth multiplier of MobileNet-v2 gives the channels {channels}")


def _multipliers() -> Iterator[tuple[float, int | None]]:
    hundredths = [percent / 100 for percent in range(1, 301)]
    for divisor in (None, 8):
        for multiplier in (*_PUBLISHED_MULTIPLIERS, *hundredths):
            yield multiplier, divisor


def _aspp(shapes: Shapes) -> AsppConfig | None:
    if "concat_projection/weights" not in shapes:
        return None
    branches = {
        int(match[1])
        for name in shapes
        if (match := re.match(r"aspp([1-9]\d*)(_depthwise)?/", name))
    }
    if len(branches) not in (0, len(_PUBLISHED_RATES)):
        raise CheckpointError(
            f"the atrous rates of {len(branches)} ASPP branches are not known; "
            f"published networks have none or {len(_PUBLISHED_RATES)}"
        )
    return AsppConfig(
        rates=_PUBLISHED_RATES if branches else (),
        image_pooling="image_pooling/weights" in shapes,
        separable="aspp1/weights" not in shapes,
        channels=_last_axis(shapes, "concat_projection/weights"),
    )


def _decoder(shapes: Shapes, backbone: str) -> DecoderConfig | None:
    projection = "decoder/feature_projection0/weights"
    if projection not in shapes:
        return None
    separable = "decoder/decoder_conv0_pointwise/weights" in shapes
    last = "decoder_conv1_pointwise" if separable else "decoder_conv0/decoder_conv0_2"
    return DecoderConfig(
        low_level_endpoint=LOW_LEVEL_ENDPOINTS[backbone],
        low_level_channels=_last_axis(shapes, projection),
        channels=_last_axis(shapes, f"decoder/{last}/weights"),
        separable=separable,
    )


def _last_axis(shapes: Shapes, name: str) -> int:
    shape = shapes.get(name)
    if not shape:
        raise CheckpointError(f"the checkpoint has no {name}, so it is not a DeepLab network's")
    return shape[-1]
