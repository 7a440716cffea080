"""The confusion matrix as a picture."""

from __future__ import annotations

import io
from typing import Final

import numpy as np

from beam_deeplab.deeplab.labels import LabelSet
from beam_deeplab.transforms.evaluating.tally import Tally

_ANNOTATED_CLASSES: Final = 40
"""Up to so many classes each field says its percentage; beyond that it could not be read."""

_INCHES_A_CLASS: Final = 0.36
_LEAST_INCHES: Final = 4.0
_MOST_INCHES: Final = 30.0
_DOTS_AN_INCH: Final = 110


def draw_confusion(tally: Tally, labels: LabelSet) -> bytes:
    """Draw the confusion matrix as a heat map.

    Each row is a class of the truth and shows how its pixels were predicted, in per cent of the
    row. Classes that occur neither in the truth nor in the prediction are left out, unless none
    does.

    Returns:
        A PNG; the same bytes for the same counts.
    """
    from matplotlib.figure import Figure

    true, predicted = tally.confusion.sum(axis=1), tally.confusion.sum(axis=0)
    occurring = np.flatnonzero(true + predicted)
    if not len(occurring):
        occurring = np.arange(tally.classes)
    counts = tally.confusion[np.ix_(occurring, occurring)]
    totals = counts.sum(axis=1, keepdims=True)
    shares = np.divide(counts, totals, out=np.zeros(counts.shape), where=totals > 0)
    names = [labels.names[label] for label in occurring]

    side = min(max(_LEAST_INCHES, 2 + _INCHES_A_CLASS * len(names)), _MOST_INCHES)
    figure = Figure(figsize=(side, side), dpi=_DOTS_AN_INCH, layout="constrained")
    axes = figure.add_subplot()
    small = max(3.0, min(8.0, 72 * (side - 2) / max(1, len(names)) * 0.8))
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    axes.set_xticks(range(len(names)), names, rotation=90, fontsize=small)
    axes.set_yticks(range(len(names)), names, fontsize=small)
    axes.set_xlabel("predicted")
    axes.set_ylabel("truth")
    axes.set_title("per cent of each true class's pixels", fontsize=9)
    if len(names) <= _ANNOTATED_CLASSES:
        for row, column in zip(*np.nonzero(shares >= 0.005), strict=True):
            share = shares[row, column]
            axes.text(
                column,
                row,
                f"{100 * share:.0f}",
                ha="center",
                va="center",
                fontsize=small,
                color="white" if share > 0.5 else "black",
            )
    sink = io.BytesIO()
    figure.savefig(sink, format="png", metadata={"Software": None})
    return sink.getvalue()
