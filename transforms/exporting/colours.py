"""Colours by which a picture of labels can be read back: a different one for each class."""

from __future__ import annotations

from dataclasses import replace

from beam_deeplab.deeplab.labels import LabelSet
from beam_deeplab.deeplab.labels.label_set import voc_color


def with_distinct_colors(labels: LabelSet) -> LabelSet:
    """The set, where of several classes of one colour all but the first have others.

    These are of PASCAL VOC's map, the class's own there if it is free. No class has the colour of
    the ignore label.
    """
    wanted = set(labels.palette)
    taken = {voc_color(labels.ignore_label)}
    palette = []
    for label, color in enumerate(labels.palette):
        if color in taken:
            others = (voc_color(each & 255) for each in range(label, label + 256))
            color = next(each for each in others if each not in taken | wanted)  # noqa: PLW2901
        taken.add(color)
        palette.append(color)
    return replace(labels, palette=tuple(palette))
