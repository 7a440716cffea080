"""The official DeepLab models: where each is, what it is, and what it scored.

Facts from ``research/deeplab/g3doc/model_zoo.md`` of tensorflow/models. Left out are the
backbones without a segmentation head, and what this project's network cannot hold: the
dense prediction cell (``xception71_dpc_*``), MobileNet-v3, EdgeTPU and 8-bit models.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from beam_deeplab.deeplab.labels import LABEL_SETS, LabelSet
from beam_deeplab.deeplab.zoo.bundled import BUNDLED_MODELS

OFFICIAL_BASE_URL = "https://download.tensorflow.org/models/"
"""Folder of the official archives; the zoo's page names it with ``http``, the host takes both."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """A published score and how it was measured.

    Attributes:
        split: ``val`` or ``test`` of the model's dataset.
        miou: Mean intersection over union, per cent.
        output_stride: Of the network when it was measured.
        scales: Image scales whose softmax scores were averaged.
        flipped: Whether left-right flipped images were averaged in.
    """

    split: Literal["val", "test"]
    miou: float
    output_stride: int
    scales: tuple[float, ...] = (1.0,)
    flipped: bool = False

    def __str__(self) -> str:
        """E.g. ``77.33 % (val, output stride 8, scales 0.5 to 1.75, flipped)``."""
        conditions = [self.split, f"output stride {self.output_stride}"]
        if len(self.scales) > 1:
            conditions.append(f"scales {self.scales[0]:g} to {self.scales[-1]:g}")
        if self.flipped:
            conditions.append("flipped")
        return f"{self.miou:.2f} % ({', '.join(conditions)})"


@dataclass(frozen=True, slots=True)
class ZooModel:
    """One official segmentation model.

    Attributes:
        name: As in the official model zoo.
        archive: File name of the archive.
        backbone: The official ``model_variant``: ``mobilenet_v2`` or ``xception_65``.
        depth_multiplier: Width of a MobileNet relative to the published one.
        aspp: Whether it has atrous spatial pyramid pooling.
        decoder: Whether it has the DeepLab-v3+ decoder at stride 4.
        dataset: What it was trained on at last.
        label_set: Name of its label set, a key of :data:`deeplab.labels.LABEL_SETS`.
        evaluations: The published scores, the cheapest measurement first.
        size_mb: Size of the archive in MB, as published.
        canvas: Height and width in pixels of the input that it was evaluated with.
        earlier_names: What earlier versions of the zoo's page and its notebook called it.
        sha256: Digest of the archive, where a trustworthy one is known.
    """

    name: str
    archive: str
    backbone: Literal["mobilenet_v2", "xception_65"]
    dataset: str
    label_set: str
    evaluations: tuple[Evaluation, ...]
    size_mb: float
    canvas: tuple[int, int] = (513, 513)
    depth_multiplier: float = 1.0
    aspp: bool = False
    decoder: bool = False
    earlier_names: tuple[str, ...] = ()
    sha256: str | None = None

    @property
    def labels(self) -> LabelSet:
        """The classes that it answers."""
        return LABEL_SETS[self.label_set]

    @property
    def classes(self) -> int:
        """Number of classes, the background included where there is one."""
        return len(self.labels)


_NAMES_SHOWN = 3
_CITYSCAPES_CANVAS = (1025, 2049)
_VOC_SCALES = (0.5, 0.75, 1.0, 1.25, 1.5, 1.75)
_CITYSCAPES_SCALES = (0.75, 1.0, 1.25)

_mobilenet = functools.partial(ZooModel, backbone="mobilenet_v2", size_mb=23)
_xception = functools.partial(
    ZooModel, backbone="xception_65", aspp=True, decoder=True, size_mb=439
)

_MODELS = (
    _mobilenet(
        name="mobilenetv2_dm05_coco_voc_trainaug",
        archive="deeplabv3_mnv2_dm05_pascal_trainaug_2018_10_01.tar.gz",
        depth_multiplier=0.5,
        dataset="PASCAL VOC 2012 train_aug",
        label_set="voc",
        evaluations=(Evaluation("val", 70.19, 16),),
        size_mb=7.6,
    ),
    _mobilenet(
        name="mobilenetv2_dm05_coco_voc_trainval",
        archive="deeplabv3_mnv2_dm05_pascal_trainval_2018_10_01.tar.gz",
        depth_multiplier=0.5,
        dataset="PASCAL VOC 2012 train_aug + trainval",
        label_set="voc",
        evaluations=(Evaluation("test", 71.83, 8),),
        size_mb=7.6,
    ),
    _mobilenet(
        name="mobilenetv2_coco_voc_trainaug",
        archive="deeplabv3_mnv2_pascal_train_aug_2018_01_29.tar.gz",
        dataset="PASCAL VOC 2012 train_aug",
        label_set="voc",
        evaluations=(
            Evaluation("val", 75.32, 16),
            Evaluation("val", 77.33, 8, _VOC_SCALES, flipped=True),
        ),
        earlier_names=("mobilenetv2_coco_voctrainaug",),
        # Published in models/public/deeplabv3/model.yml of openvinotoolkit/open_model_zoo, 2021.
        sha256="cd506941e4f88fd053903913761df2e76ea00c01079cecfd35855304a4a5fb48",
    ),
    _mobilenet(
        name="mobilenetv2_coco_voc_trainval",
        archive="deeplabv3_mnv2_pascal_trainval_2018_01_29.tar.gz",
        dataset="PASCAL VOC 2012 train_aug + trainval",
        label_set="voc",
        evaluations=(Evaluation("test", 80.25, 8, _VOC_SCALES, flipped=True),),
        earlier_names=("mobilenetv2_coco_voctrainval",),
    ),
    _xception(
        name="xception65_coco_voc_trainaug",
        archive="deeplabv3_pascal_train_aug_2018_01_04.tar.gz",
        dataset="PASCAL VOC 2012 train_aug",
        label_set="voc",
        evaluations=(
            Evaluation("val", 82.20, 16),
            Evaluation("val", 83.58, 8, _VOC_SCALES, flipped=True),
        ),
        earlier_names=("xception_coco_voc_trainaug", "xception_coco_voctrainaug"),
    ),
    _xception(
        name="xception65_coco_voc_trainval",
        archive="deeplabv3_pascal_trainval_2018_01_04.tar.gz",
        dataset="PASCAL VOC 2012 train_aug + trainval",
        label_set="voc",
        evaluations=(Evaluation("test", 87.80, 8, _VOC_SCALES, flipped=True),),
        earlier_names=("xception_coco_voc_trainval", "xception_coco_voctrainval"),
    ),
    _mobilenet(
        name="mobilenetv2_coco_cityscapes_trainfine",
        archive="deeplabv3_mnv2_cityscapes_train_2018_02_05.tar.gz",
        dataset="Cityscapes train_fine",
        label_set="cityscapes",
        canvas=_CITYSCAPES_CANVAS,
        evaluations=(
            Evaluation("val", 70.71, 16),
            Evaluation("val", 73.57, 8, _CITYSCAPES_SCALES, flipped=True),
        ),
    ),
    _xception(
        name="xception65_cityscapes_trainfine",
        archive="deeplabv3_cityscapes_train_2018_02_06.tar.gz",
        dataset="Cityscapes train_fine",
        label_set="cityscapes",
        canvas=_CITYSCAPES_CANVAS,
        evaluations=(
            Evaluation("val", 78.79, 16),
            Evaluation("val", 80.42, 8, _CITYSCAPES_SCALES, flipped=True),
        ),
        earlier_names=("xception_cityscapes_trainfine",),
    ),
    _mobilenet(
        name="mobilenetv2_ade20k_train",
        archive="deeplabv3_mnv2_ade20k_train_2018_12_03.tar.gz",
        decoder=True,
        dataset="ADE20K train",
        label_set="ade20k",
        canvas=(257, 257),
        evaluations=(Evaluation("val", 32.04, 16),),
        size_mb=24.8,
    ),
    _xception(
        name="xception65_ade20k_train",
        archive="deeplabv3_xception_ade20k_train_2018_05_29.tar.gz",
        dataset="ADE20K train",
        label_set="ade20k",
        evaluations=(Evaluation("val", 45.65, 8, _VOC_SCALES, flipped=True),),
        earlier_names=("xception_ade20k_train",),
    ),
)

OFFICIAL_MODELS: Mapping[str, ZooModel] = MappingProxyType({model.name: model for model in _MODELS})
"""The official segmentation models by name, in the order of the zoo's page."""

_BY_ANY_NAME: Mapping[str, ZooModel] = MappingProxyType(
    {name: model for model in _MODELS for name in (*model.earlier_names, model.name)}
)


def find_model(name: str) -> ZooModel | None:
    """The official model of a name, today's or an earlier one; None if no model is called so."""
    return _BY_ANY_NAME.get(name)


def closest_names(name: str) -> list[str]:
    """At most three names of models that resemble a name, or an archive's, the most alike first."""
    import difflib

    named = {model.archive.removesuffix(".tar.gz"): model.name for model in _MODELS}
    named.update({other: model.name for other, model in _BY_ANY_NAME.items()})
    named.update({other: other for other in BUNDLED_MODELS})
    alike = difflib.get_close_matches(name, named, n=3 * _NAMES_SHOWN, cutoff=0.6)
    alike += [other for other in named if len(name) > 3 and name.lower() in other]
    return list(dict.fromkeys(named[other] for other in alike))[:_NAMES_SHOWN]
