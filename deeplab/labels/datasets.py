"""Label sets: PASCAL VOC 2012, Cityscapes and ADE20K of the official models, and the demo's."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib import resources
from types import MappingProxyType

from beam_deeplab.deeplab.labels.cityscapes import TRAINED_LABELS
from beam_deeplab.deeplab.labels.label_set import LabelSet

_VOC_NAMES = """
    background aeroplane bicycle bird boat bottle bus car cat chair cow diningtable dog horse
    motorbike person pottedplant sheep sofa train tvmonitor
"""

VOC = LabelSet.from_dict(_VOC_NAMES.split(), name="voc")
"""PASCAL VOC 2012: background and 20 objects; names and colour map of the development kit."""

CITYSCAPES = LabelSet(
    "cityscapes",
    tuple(label.name for label in TRAINED_LABELS),
    tuple(label.color for label in TRAINED_LABELS),
)
"""Cityscapes: the 19 train ids; names and colours of cityscapesScripts."""

ADE20K = LabelSet.from_dict(
    json.loads(resources.files(__package__).joinpath("ade20k.json").read_text("utf-8"))
)
"""ADE20K scene parsing: 150 objects, and label 0 for whatever is none of them.

Names are the first of each object's synonyms in ``objectInfo150.txt`` of CSAILVision/sceneparsing;
colours are those of DeepLab's ``get_dataset_colormap.py``. The official models were trained with
label 0 ignored.
"""

SCENES = LabelSet(
    "scenes",
    ("background", "person", "animal", "food", "vehicle", "plant", "building"),
    (
        (0, 0, 0),
        (213, 94, 0),
        (86, 180, 233),
        (240, 228, 66),
        (0, 114, 178),
        (0, 158, 115),
        (204, 121, 167),
    ),
)
"""The scenes of emoji that the bundled model is trained on.

The colours are those of Okabe and Ito ("Color Universal Design", 2008), which people with any kind
of colour vision tell apart.
"""

_OFFICIAL = (VOC, CITYSCAPES, ADE20K)

LABEL_SETS: Mapping[str, LabelSet] = MappingProxyType(
    {labels.name: labels for labels in (*_OFFICIAL, SCENES)}
)
"""The label sets by name."""


def for_class_count(count: int) -> LabelSet:
    """The label set that a model with so many classes, 1 to 255, most likely has.

    VOC for 21 classes, Cityscapes for 19, ADE20K for 151; otherwise classes named ``class_0``,
    ``class_1`` and so on in the colours of the VOC map.

    Raises:
        LabelError: If ``count`` is out of range.
    """
    for labels in _OFFICIAL:
        if len(labels) == count:
            return labels
    names = [f"class_{label}" for label in range(count)]
    return LabelSet.from_dict(names, name=f"{count}_classes")


def is_official(labels: LabelSet) -> bool:
    """Whether a set is that of a dataset of the official models."""
    return labels in _OFFICIAL
