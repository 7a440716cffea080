"""What a training is asked to do, as data: frozen dataclasses, one a table of the TOML file.

Nothing here imports TensorFlow, so that a wrong key is told at once.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal

from beam_deeplab.deeplab.architecture import AsppConfig, DecoderConfig, DeepLabConfig
from beam_deeplab.deeplab.architecture.config import LOW_LEVEL_ENDPOINTS

SCRATCH = "scratch"
KERAS_APPLICATIONS = "keras_applications"


class ConfigError(ValueError):
    """A configuration that cannot be; the message is one line that says what to do."""


def _check(condition: bool, message: str) -> None:
    if not condition:
        raise ConfigError(message)


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """Which network is trained, and what it starts from (``[model]``).

    Attributes:
        labels: Name of a label set (:data:`deeplab.labels.LABEL_SETS`) or path of a JSON file,
            from the working folder if it is relative.
        start: ``scratch``; the name or path of a DeepLab checkpoint, whose network is taken as it
            is; the path of an official ImageNet classifier's checkpoint; or
            ``keras_applications``, the ImageNet weights that Keras downloads.
        output_stride: Of the backbone while it is trained, 8, 16 or 32.
        backbone: As :class:`deeplab.architecture.DeepLabConfig`; like all that follows, for a
            network that no DeepLab checkpoint describes.
        depth_multiplier: Factor on MobileNet-v2's channels.
        channel_divisor: What those are rounded to multiples of; 8 is ImageNet's classifiers' rule.
        aspp: The pyramid, or None; without ``rates`` it has only the 1x1 and the pooled branch.
        decoder: The decoder, or None.
    """

    labels: str
    start: str = SCRATCH
    output_stride: int = 16
    backbone: str = "mobilenet_v2"
    depth_multiplier: float = 1.0
    channel_divisor: int | None = None
    aspp: AsppConfig | None = None
    decoder: DecoderSettings | None = None

    def __post_init__(self) -> None:
        self.network(2)

    def network(self, num_classes: int) -> DeepLabConfig:
        """The network that these settings describe.

        Raises:
            ConfigError: There is no such network.
        """
        try:
            return DeepLabConfig(
                backbone=self.backbone,
                num_classes=num_classes,
                output_stride=self.output_stride,
                depth_multiplier=self.depth_multiplier,
                channel_divisor=self.channel_divisor,
                aspp=self.aspp,
                decoder=None if self.decoder is None else self.decoder.of(self.backbone),
            )
        except ValueError as error:
            raise ConfigError(f"[model]: {error}") from error


@dataclass(frozen=True, slots=True)
class DecoderSettings:
    """The decoder of a new network (``[model.decoder]``).

    Attributes:
        low_level_channels: Channels that the backbone's stride-4 features are projected to.
        channels: Of its two 3x3 convolutions.
        separable: Whether those are depthwise separable.
    """

    low_level_channels: int = 48
    channels: int = 256
    separable: bool = True

    def of(self, backbone: str) -> DecoderConfig:
        """The decoder on a backbone's own low-level features."""
        return DecoderConfig(
            LOW_LEVEL_ENDPOINTS[backbone], self.low_level_channels, self.channels, self.separable
        )


@dataclass(frozen=True, slots=True)
class InputConfig:
    """How pictures become what the network sees (``[input]``).

    Attributes:
        canvas: (height, width) of what the network sees in validation, and later; sides are
            multiples of the output stride plus one.
        crop: (height, width) of what it sees in training; None for the canvas. A quarter of the
            canvas takes little more than a quarter of the time.
        crop_epochs: How many epochs are trained on crops, before the rest is on the canvas; None
            for all.
        fit: Whether pictures larger than the canvas are first reduced to fit it, as ``segment``
            does, instead of being cropped from their full size.
        scale: Bounds of the random factor on a picture's size, drawn uniformly from their
            logarithms (0.5 to 2 officially).
        flip: Whether half of the pictures are mirrored left to right.
        brightness: Largest random shift, as a share of the range of values.
        contrast: Largest random deviation from 1 of the factor on the distance from grey.
        saturation: Likewise of the factor on the distance from a pixel's own grey.
        hue: Largest random turn of hue, as a share of the circle.
        validation_fraction: Share of the pairs that is held out where no validation data is
            given.
        cache_megabytes: Decoded pairs are kept in memory up to this much, else decoded anew in
            every epoch.
    """

    canvas: tuple[int, int] = (513, 513)
    crop: tuple[int, int] | None = None
    crop_epochs: int | None = None
    fit: bool = True
    scale: tuple[float, float] = (0.5, 2.0)
    flip: bool = True
    brightness: float = 0.0
    contrast: float = 0.0
    saturation: float = 0.0
    hue: float = 0.0
    validation_fraction: float = 0.1
    cache_megabytes: int = 4096

    def __post_init__(self) -> None:
        for side, limit in zip(self.crop or (), self.canvas, strict=False):
            _check(side <= limit, "[input] crop is not larger than the canvas")
        _check(
            self.crop_epochs is None or (self.crop is not None and self.crop_epochs >= 1),
            "[input] crop_epochs is 1 or more, and needs a crop",
        )
        low, high = self.scale
        _check(0 < low <= high, "[input] scale is [smallest, largest], both above 0")
        for name in ("brightness", "contrast", "saturation", "hue"):
            _check(0 <= getattr(self, name) <= 1, f"[input] {name} is a share, 0 to 1")
        _check(
            0 <= self.validation_fraction < 1, "[input] validation_fraction is from 0 to below 1"
        )
        _check(self.cache_megabytes >= 0, "[input] cache_megabytes is 0 or more")

    def crop_of(self, epoch: int) -> tuple[int, int]:
        """(height, width) of what the network sees in an epoch, counted from 0."""
        if self.crop is None or (self.crop_epochs is not None and epoch >= self.crop_epochs):
            return self.canvas
        return self.crop


@dataclass(frozen=True, slots=True)
class OptimizerConfig:
    """How weights are changed (``[optimizer]``).

    Attributes:
        name: ``sgd`` (with momentum) or ``adamw``.
        learning_rate: At the first step after the warm-up.
        momentum: Of ``sgd``.
        power: Of the poly schedule: the rate falls as (1 - step / steps) to this power.
        warmup_steps: Steps in which the rate rises from 0 in a straight line.
        weight_decay: On convolution kernels only. With ``sgd`` it is added to the gradient, with
            ``adamw`` decoupled from it.
        epochs: How often each picture is seen.
        batch_size: Pictures a step.
        class_weights: Weight of each class in the loss; ``balanced`` for the inverse of its
            frequency (median 1, at most 10); None for 1 throughout.
        loss_stride: Distance of the pixels whose loss is computed, 1, 2 or 4. 1 is official; 4,
            the decoder's own grid, saves a tenth of a small network's step.
        batch_norm: ``trained``, or ``frozen`` at the statistics, scales and shifts of the start.
        batch_norm_momentum: Of the moving statistics.
        ema: Momentum of a moving average of the weights, which is then what is validated and
            saved; None for none.
        clip_norm: Largest norm of all gradients together; None for any.
        seed: Of everything random.
    """

    name: Literal["sgd", "adamw"] = "sgd"
    learning_rate: float = 0.007
    momentum: float = 0.9
    power: float = 0.9
    warmup_steps: int = 0
    weight_decay: float = 4e-5
    epochs: int = 50
    batch_size: int = 16
    class_weights: tuple[float, ...] | Literal["balanced"] | None = None
    loss_stride: Literal[1, 2, 4] = 1
    batch_norm: Literal["trained", "frozen"] = "trained"
    batch_norm_momentum: float = 0.99
    ema: float | None = None
    clip_norm: float | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size"):
            _check(getattr(self, name) >= 1, f"[optimizer] {name} is 1 or more")
        for name in ("learning_rate", "power"):
            _check(
                getattr(self, name) > 0 and math.isfinite(getattr(self, name)),
                f"[optimizer] {name} is above 0",
            )
        for name in ("warmup_steps", "weight_decay", "seed"):
            _check(getattr(self, name) >= 0, f"[optimizer] {name} is 0 or more")
        for name in ("momentum", "batch_norm_momentum", "ema"):
            value = getattr(self, name)
            _check(value is None or 0 <= value < 1, f"[optimizer] {name} is from 0 to below 1")
        _check(self.clip_norm is None or self.clip_norm > 0, "[optimizer] clip_norm is above 0")
        if isinstance(self.class_weights, tuple):
            _check(
                all(weight >= 0 for weight in self.class_weights) and sum(self.class_weights) > 0,
                "[optimizer] class_weights are 0 or more, and not all 0",
            )


@dataclass(frozen=True, slots=True)
class StoppingConfig:
    """When a training ends before its last epoch (``[stopping]``).

    Attributes:
        patience: Epochs without a better validation mIoU; None to train all epochs. The weights
            that are saved as the model are the best ones either way.
    """

    patience: int | None = None

    def __post_init__(self) -> None:
        _check(self.patience is None or self.patience >= 1, "[stopping] patience is 1 or more")


@dataclass(frozen=True, slots=True)
class TrainingConfig:
    """Everything that decides what weights come out, besides the data.

    Raises:
        ConfigError: The parts do not fit together.
    """

    model: ModelConfig
    input: InputConfig = field(default_factory=InputConfig)
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    stopping: StoppingConfig = field(default_factory=StoppingConfig)

    def __post_init__(self) -> None:
        stride = self.model.output_stride
        for name in ("canvas", "crop"):
            for side in getattr(self.input, name) or ():
                lower = max(0, side - 1) // stride * stride + 1
                _check(
                    side == lower,
                    f"[input] {name}: sides are multiples of the output stride {stride} plus "
                    f"one: use {lower} or {lower + stride}, not {side}",
                )
