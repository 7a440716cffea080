"""What a training is asked to do, as data: frozen models, one a table of the TOML file.

Nothing here imports TensorFlow, so that a wrong key is told at once.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Literal

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from beam_deeplab.deeplab.architecture import AsppConfig, DecoderConfig, DeepLabConfig
from beam_deeplab.deeplab.architecture.config import LOW_LEVEL_ENDPOINTS

SCRATCH = "scratch"
KERAS_APPLICATIONS = "keras_applications"


class ConfigError(ValueError):
    """A configuration that cannot be; the message is one line that says what to do."""


_SETTINGS = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)

Count = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(ge=0, le=1)]
Fraction = Annotated[float, Field(ge=0, lt=1)]
Positive = Annotated[float, Field(gt=0)]


@dataclass(frozen=True, config=_SETTINGS)
class AsppSettings:
    """The pyramid of a new network (``[model.aspp]``), as the architecture's ``AsppConfig``."""

    rates: tuple[Count, ...] = ()
    image_pooling: bool = True
    separable: bool = True
    channels: Count = 256

    def of(self) -> AsppConfig:
        """The pyramid."""
        return AsppConfig(**asdict(self))


@dataclass(frozen=True, config=_SETTINGS)
class DecoderSettings:
    """The decoder of a new network (``[model.decoder]``).

    Attributes:
        low_level_channels: Channels that the backbone's stride-4 features are projected to.
        channels: Of its two 3x3 convolutions.
        separable: Whether those are depthwise separable.
    """

    low_level_channels: Count = 48
    channels: Count = 256
    separable: bool = True

    def of(self, backbone: str) -> DecoderConfig:
        """The decoder on a backbone's own low-level features."""
        return DecoderConfig(
            LOW_LEVEL_ENDPOINTS[backbone], self.low_level_channels, self.channels, self.separable
        )


@dataclass(frozen=True, config=_SETTINGS)
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
    aspp: AsppSettings | None = None
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
                aspp=None if self.aspp is None else self.aspp.of(),
                decoder=None if self.decoder is None else self.decoder.of(self.backbone),
            )
        except ValueError as error:
            raise ConfigError(f"[model]: {error}") from error


@dataclass(frozen=True, config=_SETTINGS)
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
    crop_epochs: Count | None = None
    fit: bool = True
    scale: tuple[Positive, Positive] = (0.5, 2.0)
    flip: bool = True
    brightness: Share = 0.0
    contrast: Share = 0.0
    saturation: Share = 0.0
    hue: Share = 0.0
    validation_fraction: Fraction = 0.1
    cache_megabytes: Annotated[int, Field(ge=0)] = 4096

    def __post_init__(self) -> None:
        if any(side > limit for side, limit in zip(self.crop or (), self.canvas, strict=False)):
            raise ConfigError("[input] crop is not larger than the canvas")
        if self.crop_epochs is not None and self.crop is None:
            raise ConfigError("[input] crop_epochs needs a crop")
        if self.scale[0] > self.scale[1]:
            raise ConfigError("[input] scale is [smallest, largest]")

    def crop_of(self, epoch: int) -> tuple[int, int]:
        """(height, width) of what the network sees in an epoch, counted from 0."""
        if self.crop is None or (self.crop_epochs is not None and epoch >= self.crop_epochs):
            return self.canvas
        return self.crop


@dataclass(frozen=True, config=_SETTINGS)
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
        ema: Fraction of a moving average of the weights, which is then what is validated and
            saved; None for none.
        clip_norm: Largest norm of all gradients together; None for any.
        seed: Of everything random.
    """

    name: Literal["sgd", "adamw"] = "sgd"
    learning_rate: Positive = 0.007
    momentum: Fraction = 0.9
    power: Positive = 0.9
    warmup_steps: Annotated[int, Field(ge=0)] = 0
    weight_decay: Annotated[float, Field(ge=0)] = 4e-5
    epochs: Count = 50
    batch_size: Count = 16
    class_weights: tuple[Annotated[float, Field(ge=0)], ...] | Literal["balanced"] | None = None
    loss_stride: Literal[1, 2, 4] = 1
    batch_norm: Literal["trained", "frozen"] = "trained"
    batch_norm_momentum: Fraction = 0.99
    ema: Fraction | None = None
    clip_norm: Positive | None = None
    seed: Annotated[int, Field(ge=0)] = 0

    def __post_init__(self) -> None:
        if isinstance(self.class_weights, tuple) and not any(self.class_weights):
            raise ConfigError("[optimizer] class_weights are not all 0")


@dataclass(frozen=True, config=_SETTINGS)
class StoppingConfig:
    """When a training ends before its last epoch (``[stopping]``).

    Attributes:
        patience: Epochs without a better validation mIoU; None to train all epochs. The weights
            that are saved as the model are the best ones either way.
    """

    patience: Count | None = None


@dataclass(frozen=True, config=_SETTINGS)
class TrainingConfig:
    """Everything that decides what weights come out, besides the data.

    Raises:
        ConfigError: The parts do not fit together.
    """

    model: ModelConfig
    input: InputConfig = InputConfig()
    optimizer: OptimizerConfig = OptimizerConfig()
    stopping: StoppingConfig = StoppingConfig()

    def __post_init__(self) -> None:
        stride = self.model.output_stride
        for name in ("canvas", "crop"):
            for side in getattr(self.input, name) or ():
                lower = max(0, side - 1) // stride * stride + 1
                if side != lower:
                    raise ConfigError(
                        f"[input] {name}: sides are multiples of the output stride {stride} plus "
                        f"one: use {lower} or {lower + stride}, not {side}"
                    )
