"""The backbones' blocks as data: scopes, channels, strides, skips.

The tables are those of the official ``slim/nets/mobilenet/mobilenet_v2.py`` and
``deeplab/core/xception.py``. Nothing here imports Keras.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, TypeVar


@dataclass(frozen=True, slots=True)
class InvertedResidual:
    """One block of MobileNet-v2 (its paper, section 3.3).

    Attributes:
        scope: Official name below ``MobilenetV2``.
        inputs: Channels that enter.
        expanded: Channels of the depthwise convolution; equal to ``inputs`` without expansion.
        outputs: Channels that leave; the input is added where they and the stride allow it.
        stride: Nominal stride, 1 or 2.
    """

    scope: str
    inputs: int
    expanded: int
    outputs: int
    stride: int


_STEM_CHANNELS = 32
_EXPANSION = 6
_RESIDUALS = (  # (channels, nominal stride, repeats)
    (16, 1, 1),
    (24, 2, 2),
    (32, 2, 3),
    (64, 2, 4),
    (96, 1, 3),
    (160, 2, 3),
    (320, 1, 1),
)


def round_channels(channels: float, divisor: int, least: int) -> int:
    """The multiple of ``divisor`` next to ``channels``, never more than a tenth below it.

    The official ``_make_divisible`` of ``slim/nets/mobilenet``.
    """
    rounded = max(least, int(channels + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * channels else rounded


def mobilenet_v2_blocks(
    depth_multiplier: float = 1.0, channel_divisor: int | None = None
) -> tuple[InvertedResidual, ...]:
    """The seventeen blocks of MobileNet-v2 up to ``layer_18``, the features that DeepLab uses.

    They stand behind a convolution of stride 2 to the first one's ``inputs``. A multiplier's
    channels are rounded as ``deeplab/core/feature_extractor.py`` does it, unless a divisor is
    given: to multiples of 8 for the multiplier 1, to whole channels for any other; image
    classifiers use 8 throughout.
    """
    whole = depth_multiplier == 1.0
    divisor = channel_divisor or (8 if whole else 1)
    least = 8 if whole else 1
    residuals: list[InvertedResidual] = []
    inputs = round_channels(_STEM_CHANNELS * depth_multiplier, divisor, least)
    for channels, first_stride, repeats in _RESIDUALS:
        outputs = round_channels(channels * depth_multiplier, divisor, least)
        for repeat in range(repeats):
            index = len(residuals)
            residuals.append(
                InvertedResidual(
                    scope=f"expanded_conv_{index}" if index else "expanded_conv",
                    inputs=inputs,
                    expanded=round_channels(inputs * _EXPANSION, 8, 8) if index else inputs,
                    outputs=outputs,
                    stride=1 if repeat else first_stride,
                )
            )
            inputs = outputs
    return tuple(residuals)


Skip = Literal["conv", "sum", "none"]


@dataclass(frozen=True, slots=True)
class XceptionModule:
    """Three separable convolutions beside a skip (DeepLab-v3+, figure 4).

    Attributes:
        scope: Official name below the backbone's.
        channels: Outputs of the three convolutions.
        stride: Nominal stride of the third one and of the skip, 1 or 2.
        skip: What is added to their output: a 1x1 convolution of the input, the input, nothing.
        activation_inside: Whether each depthwise and pointwise convolution ends in a ReLU,
            instead of one ReLU in front of each separable convolution.
        multi_grid: Whether the configuration's multi-grid factors apply.
    """

    scope: str
    channels: tuple[int, int, int]
    stride: int
    skip: Skip
    activation_inside: bool = False
    multi_grid: bool = False


_ENTRY_FLOWS: Mapping[str, tuple[tuple[int, int], ...]] = {  # (channels, nominal stride)
    "xception_41": ((128, 2), (256, 2), (728, 2)),
    "xception_65": ((128, 2), (256, 2), (728, 2)),
    "xception_71": ((128, 2), (256, 1), (256, 2), (728, 1), (728, 2)),
}
_MIDDLE_FLOW_UNITS: Mapping[str, int] = {"xception_41": 8, "xception_65": 16, "xception_71": 16}


def xception_modules(backbone: str) -> tuple[XceptionModule, ...]:
    """The modules of one of the modified, aligned Xceptions, in order."""

    def scope(flow: str, block: int, unit: int = 1) -> str:
        return f"{flow}/block{block}/unit_{unit}/xception_module"

    entry = tuple(
        XceptionModule(scope("entry_flow", block), (channels,) * 3, stride, "conv")
        for block, (channels, stride) in enumerate(_ENTRY_FLOWS[backbone], start=1)
    )
    middle = tuple(
        XceptionModule(scope("middle_flow", 1, unit), (728,) * 3, 1, "sum")
        for unit in range(1, _MIDDLE_FLOW_UNITS[backbone] + 1)
    )
    leave = (
        XceptionModule(scope("exit_flow", 1), (728, 1024, 1024), 2, "conv"),
        XceptionModule(
            scope("exit_flow", 2),
            (1536, 1536, 2048),
            1,
            "none",
            activation_inside=True,
            multi_grid=True,
        ),
    )
    return entry + middle + leave


Unit = TypeVar("Unit", bound=InvertedResidual | XceptionModule)


def place_strides(units: Iterable[Unit], output_stride: int) -> Iterator[tuple[Unit, int, int]]:
    """Gives each unit a stride and an atrous rate, so that the features are as sparse as wanted.

    After the target, ``output_stride`` in input pixels, is reached, a unit's stride becomes 1 and
    multiplies the rate of the units behind it; the unit itself still runs at the rate before it
    (official ``mobilenet_base`` and ``stack_blocks_dense``). The first unit receives features of
    stride 2.

    Raises:
        ValueError: The units never get as sparse as ``output_stride``.
    """
    current, rate = 2, 1
    for unit in units:
        if current == output_stride:
            yield unit, 1, rate
            rate *= unit.stride
        else:
            yield unit, unit.stride, 1
            current *= unit.stride
    if current != output_stride:
        raise ValueError(f"the backbone's features end at stride {current}, not {output_stride}")
