"""One builder for every DeepLab: the configuration says which parts there are."""

from __future__ import annotations

import keras
from keras import layers

from beam_deeplab.deeplab.architecture.config import DeepLabConfig
from beam_deeplab.deeplab.architecture.head import aspp, decode
from beam_deeplab.deeplab.architecture.mobilenet_v2 import mobilenet_v2
from beam_deeplab.deeplab.architecture.xception import xception

_BACKBONES = {
    "mobilenet_v2": mobilenet_v2,
    "xception_41": xception,
    "xception_65": xception,
    "xception_71": xception,
}


def build_network(config: DeepLabConfig, input_size: tuple[int, int] | None = None) -> keras.Model:
    """Builds a network with fresh variables.

    Args:
        config: What it is made of.
        input_size: Height and width of its input; each a multiple of the output stride plus
            one, so that the grids of all strides share their corners. None: any such size.

    Returns:
        A model from images, float32 [n, height, width, 3] in [-1, 1] (2/255 x - 1 of RGB values;
        padding is exactly 0), to raw logits, float32 [n, h, w, ``config.num_classes``] at
        ``config.logits_stride``. Its variables map to the official names
        (:func:`deeplab.architecture.layers.official_variables`).

    Raises:
        ValueError: An input size that does not fit the output stride.
    """
    for side in input_size or ():
        if side < 1 or (side - 1) % config.output_stride:
            raise ValueError(
                f"input side {side} is not a multiple of the output stride "
                f"{config.output_stride} plus one"
            )
    images = keras.Input((*(input_size or (None, None)), 3), name="images", dtype="float32")
    features, endpoints = _BACKBONES[config.backbone](images, config)
    x = layers.Identity(name="features")(features)
    if config.aspp is not None:
        x = aspp(x, config.aspp, config.output_stride)
    if config.decoder is not None:
        x = decode(x, _low_level(endpoints, config.decoder.low_level_endpoint), config.decoder)
    logits = layers.Conv2D(config.num_classes, 1, name="logits.semantic", dtype="float32")(x)
    return keras.Model(images, logits, name=config.backbone)


def _low_level(endpoints: dict[str, keras.KerasTensor], name: str) -> keras.KerasTensor:
    if name not in endpoints:
        raise ValueError(f"the backbone has no endpoint {name!r}; it has {', '.join(endpoints)}")
    return endpoints[name]
