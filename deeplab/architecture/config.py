"""What a DeepLab network is made of, as data.

Nothing here imports Keras, so that a launcher can read, compare and record configurations
without paying for TensorFlow.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

BACKBONES = ("mobilenet_v2", "xception_41", "xception_65", "xception_71")
OUTPUT_STRIDES = (8, 16, 32)
DECODER_STRIDE = 4

MAX_CLASSES = 255
"""A mask of uint8 tells so many classes apart, and pixels of none."""
MAX_CANVAS_SIDE = 1 << 14
"""Pixels; a canvas of that many by as many would take more memory than machines have."""
_MOST_CHANNELS = 4096
_MOST_BRANCHES = 16
_LARGEST_RATE = 512
_LARGEST_MULTIPLIER = 4.0

LOW_LEVEL_ENDPOINTS: Mapping[str, str] = {
    "mobilenet_v2": "layer_4/depthwise_output",
    "xception_41": "entry_flow/block2/unit_1/xception_module/separable_conv2_pointwise",
    "xception_65": "entry_flow/block2/unit_1/xception_module/separable_conv2_pointwise",
    "xception_71": "entry_flow/block3/unit_1/xception_module/separable_conv2_pointwise",
}
"""Where each backbone's stride-4 features leave for the decoder (official
``deeplab/core/feature_extractor.py``, ``networks_to_feature_maps``)."""


@dataclass(frozen=True, slots=True)
class AsppConfig:
    """Atrous spatial pyramid pooling (DeepLab-v3, section 3.3).

    Attributes:
        rates: Atrous rates of the 3x3 branches as the papers give them, for features at output
            stride 16; denser or sparser features scale them. Empty: only the 1x1 branch.
        image_pooling: Whether the mean over the whole feature map is a branch.
        separable: Whether the 3x3 branches are depthwise separable.
        channels: Channels of each branch and of the projection that joins them.
    """

    rates: tuple[int, ...] = ()
    image_pooling: bool = True
    separable: bool = True
    channels: int = 256

    def __post_init__(self) -> None:
        _check_whole("ASPP channels", self.channels, _MOST_CHANNELS)
        if len(self.rates) > _MOST_BRANCHES:
            raise ValueError(f"{len(self.rates)} atrous rates are more than {_MOST_BRANCHES}")
        for rate in self.rates:
            _check_whole("an atrous rate", rate, _LARGEST_RATE)

    def rates_at(self, output_stride: int) -> tuple[int, ...]:
        """The rates for features at ``output_stride``: doubled at 8, halved at 32.

        Raises:
            ValueError: A rate is not a whole number there.
        """
        scaled = [divmod(rate * 16, output_stride) for rate in self.rates]
        if any(rest for _, rest in scaled):
            raise ValueError(f"atrous rates {self.rates} are not whole at stride {output_stride}")
        return tuple(rate for rate, _ in scaled)


@dataclass(frozen=True, slots=True)
class DecoderConfig:
    """The decoder of DeepLab-v3+ (section 3.1 of its paper), which answers at stride 4.

    Attributes:
        low_level_endpoint: Official name of the backbone's stride-4 features.
        low_level_channels: Channels that those are projected to.
        channels: Channels of the two 3x3 convolutions.
        separable: Whether those are depthwise separable.
    """

    low_level_endpoint: str
    low_level_channels: int = 48
    channels: int = 256
    separable: bool = True

    def __post_init__(self) -> None:
        _check_whole("the decoder's channels", self.channels, _MOST_CHANNELS)
        _check_whole("its low-level channels", self.low_level_channels, _MOST_CHANNELS)


@dataclass(frozen=True, slots=True)
class DeepLabConfig:
    """One DeepLab-v3 or v3+ network.

    Attributes:
        backbone: One of ``BACKBONES``.
        num_classes: Channels of the logits, 1 to 255.
        output_stride: Input pixels between two points of the backbone's features: 8, 16 or 32.
        depth_multiplier: Factor on MobileNet-v2's channels, above 0, at most 4; 1 for Xception.
        channel_divisor: What MobileNet-v2's scaled channels are rounded to multiples of; None
            takes the official rule (8 for the multiplier 1, else 1).
        multi_grid: Factors on the atrous rate of the three convolutions of Xception's last
            module; (1, 1, 1) for MobileNet-v2.
        aspp: The pyramid on top of the backbone, or None.
        decoder: The decoder on top of that, or None.

    Raises:
        ValueError: A value out of its range, or a part that the backbone does not have.
    """

    backbone: str
    num_classes: int
    output_stride: int = 16
    depth_multiplier: float = 1.0
    channel_divisor: int | None = None
    multi_grid: tuple[int, int, int] = (1, 1, 1)
    aspp: AsppConfig | None = None
    decoder: DecoderConfig | None = None

    def __post_init__(self) -> None:
        if self.backbone not in BACKBONES:
            raise ValueError(f"backbone {self.backbone!r} is none of {', '.join(BACKBONES)}")
        if self.output_stride not in OUTPUT_STRIDES:
            raise ValueError(f"output stride {self.output_stride} is none of {OUTPUT_STRIDES}")
        _check_whole("the number of classes", self.num_classes, MAX_CLASSES)
        if not (
            isinstance(self.depth_multiplier, int | float)
            and 0 < self.depth_multiplier <= _LARGEST_MULTIPLIER
        ):
            raise ValueError(
                f"depth multiplier {_brief(self.depth_multiplier)} is not above 0 and at most "
                f"{_LARGEST_MULTIPLIER:g}"
            )
        if self.channel_divisor is not None:
            _check_whole("the channel divisor", self.channel_divisor, _MOST_CHANNELS)
        if len(self.multi_grid) != 3:
            raise ValueError(f"multi-grid {_brief(self.multi_grid)} is not three factors")
        for factor in self.multi_grid:
            _check_whole("a factor of the multi-grid", factor, _LARGEST_RATE)
        if self.backbone == "mobilenet_v2":
            if self.multi_grid != (1, 1, 1):
                raise ValueError("multi-grid is a part of Xception; MobileNet-v2 has none")
        elif (self.depth_multiplier, self.channel_divisor) != (1.0, None):
            raise ValueError("only MobileNet-v2 has a depth multiplier and a channel divisor")
        if self.aspp is not None:
            self.aspp.rates_at(self.output_stride)

    @property
    def logits_stride(self) -> int:
        """Input pixels between two points of the logits: 4 with a decoder, else as the features."""
        return self.output_stride if self.decoder is None else DECODER_STRIDE

    @classmethod
    def from_dict(cls, data: object) -> DeepLabConfig:
        """Reads what :func:`dataclasses.asdict` made, also if it was kept as JSON.

        Raises:
            ValueError: An unknown or missing key, or a value out of its range.
        """
        if not isinstance(data, dict):
            raise ValueError("a network's configuration is a JSON object")
        fields = dict(data)
        try:
            if fields.get("aspp") is not None:
                aspp = fields["aspp"]
                fields["aspp"] = AsppConfig(**{**aspp, "rates": tuple(aspp["rates"])})
            if fields.get("decoder") is not None:
                fields["decoder"] = DecoderConfig(**fields["decoder"])
            if "multi_grid" in fields:
                fields["multi_grid"] = tuple(fields["multi_grid"])
            return cls(**fields)
        except (TypeError, KeyError, AttributeError, OverflowError) as error:
            raise ValueError(f"not a network's configuration: {_brief(error)}") from error


def _check_whole(what: str, value: object, most: int) -> None:
    """Refuses what is no number from 1 to a limit, before anything of its size is made."""
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= most:
        raise ValueError(f"{what}: {_brief(value)} is no whole number from 1 to {most}")


def _brief(value: object) -> str:
    text = str(value)
    return text if len(text) <= 80 else f"{text[:80]}…"
