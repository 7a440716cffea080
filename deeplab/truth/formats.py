"""What the pixel values of truth files stand for."""

from __future__ import annotations

import functools
from enum import StrEnum
from typing import TYPE_CHECKING, Final

import numpy as np

from beam_deeplab.deeplab.labels import (
    ADE20K,
    CITYSCAPES,
    OFFICIAL_LABELS,
    Color,
    LabelError,
    LabelSet,
    train_ids,
    voc_color,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

IGNORED: Final = 255
"""What pixels that count nowhere have in a label map of truth, whatever the file says."""

UNKNOWN: Final = -1
"""What values that must not occur mean."""

VALUES: Final = 1 << 16
"""Values that a pixel of a truth file may have."""


class TruthFormat(StrEnum):
    """What the pixel values of truth files stand for.

    ``ids`` are the model's own class ids, and the ignore label of its label set (PASCAL VOC's
    palette PNGs, grey PNGs, Cityscapes' ``labelTrainIds``). ``cityscapes`` are the 34 official ids
    of ``labelIds``, of which 19 are classes. ``ade20k`` are 1 to 150, and 0 for what is ignored.
    ``colors`` are the colours of the label set, also where grey pixels could be ids.
    """

    IDS = "ids"
    CITYSCAPES = "cityscapes"
    ADE20K = "ade20k"
    COLORS = "colors"


def choose_truth_format(labels: LabelSet, name: str) -> TruthFormat:
    """What a truth file, by its name, path or URI, most likely holds.

    ``colors`` where the name ends so; else ``ade20k`` for the labels of that name, and ``ids`` for
    all others but Cityscapes', where the name tells ``labelIds`` from ``labelTrainIds``.

    Raises:
        LabelError: It is about Cityscapes, and the name tells neither.
    """
    name = name.rpartition("/")[2].lower()
    if name.rpartition(".")[0].endswith(("_color", "_colors")):
        return TruthFormat.COLORS
    if labels.name == ADE20K.name:
        return TruthFormat.ADE20K
    if labels.name != CITYSCAPES.name or "labeltrainids" in name:
        return TruthFormat.IDS
    if "labelids" in name:
        return TruthFormat.CITYSCAPES
    raise LabelError(
        f"the name {name} does not tell whether it holds official ids or train ids: "
        "say cityscapes for labelIds, ids for train ids"
    )


@functools.lru_cache(maxsize=8)
def class_table(
    truth_format: TruthFormat, labels: LabelSet, ignored: tuple[int, ...] = ()
) -> NDArray[np.int16]:
    """What each pixel value of a truth file means.

    Args:
        truth_format: What the values stand for; of ``colors``, what the classes' ids do.
        labels: The model's classes.
        ignored: Further values that count nowhere, classes or not.

    Returns:
        int16 of shape [65536]: the class id, 255 for ignored, -1 for values that must not occur.

    Raises:
        LabelError: The model's number of classes does not suit the format.
    """
    table = np.full(VALUES, UNKNOWN, np.int16)
    classes = len(labels)
    if truth_format is TruthFormat.CITYSCAPES:
        _require_classes(truth_format, classes, (len(CITYSCAPES),))
        official = np.array([label.official_id for label in OFFICIAL_LABELS])
        table[official] = train_ids(official)
    elif truth_format is TruthFormat.ADE20K:
        # Official models have a class 0 that was ignored in training; others may do without.
        things = len(ADE20K) - 1
        _require_classes(truth_format, classes, (things, things + 1))
        table[0] = IGNORED
        table[1 : things + 1] = np.arange(things) + (classes - things)
    else:
        table[:classes] = np.arange(classes)
        table[[labels.ignore_label, IGNORED]] = IGNORED
    table[list(ignored)] = IGNORED
    return table


def color_ids(labels: LabelSet) -> dict[Color, int]:
    """The class id of each colour by which a truth file can name it.

    255 for colours of what is ignored: VOC's cream, and those that Cityscapes gives to official
    labels that are no class. :data:`UNKNOWN` for a colour that two classes share.
    """
    ids = {voc_color(IGNORED): IGNORED}
    if labels.name == CITYSCAPES.name:
        ids |= {label.color: IGNORED for label in OFFICIAL_LABELS}
    own = dict(zip(labels.palette, range(len(labels)), strict=True))
    for label, color in enumerate(labels.palette):
        ids[color] = (
            label if own[color] == label and ids.get(color, IGNORED) == IGNORED else UNKNOWN
        )
    return ids


def _require_classes(truth_format: TruthFormat, found: int, wanted: tuple[int, ...]) -> None:
    if found not in wanted:
        numbers = " or ".join(map(str, wanted))
        raise LabelError(
            f"truth of the format {truth_format} suits models of {numbers} classes, not of {found}"
        )
