"""A network's configuration from its variables' names and shapes alone."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping
from dataclasses import dataclass

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
_RATES_STRIDE = 16
_SPARSEST = 32
_SCOPES_SHOWN = 8
_LENGTH_SHOWN = 60


@dataclass(frozen=True, slots=True)
class GraphFacts:
    """What is known from a graph; None and empty where it does not say.

    Attributes:
        canvas: (height, width) of the input.
        output_stride: Of the backbone's features.
        aspp_rates: Atrous rates of the pyramid's branches as they are in the graph.
        multi_grid_rates: Atrous rates of Xception's last module, likewise.
    """

    canvas: tuple[int, int] | None = None
    output_stride: int | None = None
    aspp_rates: tuple[int, ...] = ()
    multi_grid_rates: tuple[int, ...] = ()


NO_FACTS = GraphFacts()


def infer_config(
    shapes: Shapes, output_stride: int = 16, facts: GraphFacts = NO_FACTS
) -> DeepLabConfig:
    """Tells which DeepLab network variables belong to.

    What names, shapes and a graph cannot tell is taken as published: atrous rates (6, 12, 18) at
    output stride 16, no multi-grid, the backbone's own low-level endpoint.

    Args:
        shapes: Shape of each variable by its official name.
        output_stride: Of the network to build, 8, 16 or 32; weights fit any.
        facts: What the graph says that the weights were frozen into.

    Raises:
        CheckpointError: They are not a DeepLab network's, or have parts that are not known here.
    """
    backbone = _backbone(shapes)
    multiplier, divisor = (1.0, None)
    if backbone == "mobilenet_v2":
        multiplier, divisor = _depth_multiplier(shapes)
    try:
        return DeepLabConfig(
            backbone=backbone,
            num_classes=_last_axis(shapes, "logits/semantic/weights"),
            output_stride=output_stride,
            depth_multiplier=multiplier,
            channel_divisor=divisor,
            multi_grid=_multi_grid(facts),
            aspp=_aspp(shapes, facts),
            decoder=_decoder(shapes, backbone),
        )
    except CheckpointError:
        raise
    except ValueError as error:
        raise CheckpointError(f"no such network can be built: {error}") from error


def _backbone(shapes: Shapes) -> str:
    scopes = {name.partition("/")[0] for name in shapes}
    found = sorted(scopes & _SCOPES.keys())
    if len(found) != 1:
        raise CheckpointError(
            f"no network is known with the variables of {_listed(scopes) or 'nothing'}; "
            f"a DeepLab checkpoint has one backbone of {', '.join(_SCOPES)}"
        )
    return _SCOPES[found[0]]


def _listed(scopes: set[str]) -> str:
    shown = [scope[:_LENGTH_SHOWN] for scope in sorted(scopes)[:_SCOPES_SHOWN]]
    return ", ".join(shown) + (" …" if len(scopes) > _SCOPES_SHOWN else "")


def _multi_grid(facts: GraphFacts) -> tuple[int, int, int]:
    rates, stride = facts.multi_grid_rates, facts.output_stride
    if len(rates) != 3 or not stride:
        return (1, 1, 1)
    # Xception's last module runs at the rate that its lost strides leave it (place_strides).
    before = max(1, _SPARSEST // stride)
    if any(rate % before for rate in rates):
        raise CheckpointError(f"atrous rates {rates} of the last module are of no multi-grid")
    return rates[0] // before, rates[1] // before, rates[2] // before


def _depth_multiplier(shapes: Shapes) -> tuple[float, int | None]:
    """The multiplier whose channels are those of the checkpoint, the published ones first."""
    scopes = [f"{block.scope}/project" for block in mobilenet_v2_blocks()]
    channels = [_last_axis(shapes, f"MobilenetV2/{scope}/weights") for scope in ["Conv", *scopes]]
    hundredths = [percent / 100 for percent in range(1, 301)]
    multipliers = (*_PUBLISHED_MULTIPLIERS, *hundredths)
    for divisor, multiplier in itertools.product((None, 8), multipliers):
        blocks = mobilenet_v2_blocks(multiplier, divisor)
        if [blocks[0].inputs, *(block.outputs for block in blocks)] == channels:
            return multiplier, divisor
    raise CheckpointError(f"no depth multiplier of MobileNet-v2 gives the channels {channels}")


def _aspp(shapes: Shapes, facts: GraphFacts) -> AsppConfig | None:
    if "concat_projection/weights" not in shapes:
        return None
    branches = {
        int(match[1])
        for name in shapes
        if (match := re.match(r"aspp([1-9]\d*)(_depthwise)?/", name))
    }
    rates: tuple[int, ...] = _PUBLISHED_RATES if branches else ()
    if facts.aspp_rates and facts.output_stride:
        scaled = [divmod(rate * facts.output_stride, _RATES_STRIDE) for rate in facts.aspp_rates]
        if any(rest for _, rest in scaled):
            raise CheckpointError(f"atrous rates {facts.aspp_rates} are of no known network")
        rates = tuple(rate for rate, _ in scaled)
    if len(branches) != len(rates):
        raise CheckpointError(
            f"the atrous rates of {len(branches)} ASPP branches are not known; "
            f"published networks have none or {len(_PUBLISHED_RATES)}"
        )
    return AsppConfig(
        rates=rates,
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
