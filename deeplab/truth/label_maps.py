"""Truth files -> label maps in the ids of the model's classes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import cv2
import numpy as np

from beam_deeplab.deeplab.labels import Color, LabelError, LabelSet
from beam_deeplab.deeplab.truth.files import MAX_PIXELS, TruthError, is_grey, read_pixels
from beam_deeplab.deeplab.truth.formats import (
    IGNORED,
    UNKNOWN,
    VALUES,
    TruthFormat,
    choose_truth_format,
    class_table,
    color_ids,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

_NAMED: Final = 5
"""How many values or colours a message names."""


class TruthClassError(TruthError):
    """A truth file that can be read, and holds what is no class; the message names it."""


@dataclass(frozen=True)
class TruthRule:
    """How truth files are understood.

    Attributes:
        labels: The classes of the masks.
        truth_format: What the pixel values of truth files stand for; None for what each file's
            name and the classes suggest (:func:`choose_truth_format`).
        ignored: Values of pixels that count nowhere, beside 255 and the ignore label of the
            classes; of what is told by colours, ids of classes.
        max_pixels: Truth files that claim more pixels are refused before they are decoded.

    Raises:
        deeplab.labels.LabelError: The number of classes does not suit the format, or a value is
            none that a pixel can have.
    """

    labels: LabelSet
    truth_format: TruthFormat | None = None
    ignored: tuple[int, ...] = ()
    max_pixels: int = MAX_PIXELS

    def __post_init__(self) -> None:
        outside = [value for value in self.ignored if not 0 <= value < VALUES]
        if outside:
            raise LabelError(f"no pixel has the value {outside[0]}; they go from 0 to {VALUES - 1}")
        if self.truth_format is not None:
            class_table(self.truth_format, self.labels)

    def format_of(self, name: str) -> TruthFormat:
        """What a file of this name is taken to hold.

        Raises:
            LabelError: Nobody has said, and the name does not tell; or it does not suit the
                classes.
        """
        truth_format = self.truth_format or choose_truth_format(self.labels, name)
        class_table(truth_format, self.labels)
        return truth_format

    def read(self, data: bytes, name: str = "") -> NDArray[np.uint8]:
        """Read a truth file, by its content and its name, path or URI.

        Grey values, and colours whose channels are equal, are ids. Other colours are those of the
        label set. The indices of an indexed file are ids, unless its palette has the label set's
        colours in another order: then the colours count.

        Returns:
            uint8 of shape [height, width]: class ids, and 255 for ignored pixels.

        Raises:
            TruthClassError: A value or a colour has no meaning.
            TruthError: It cannot be read.
        """
        stored = read_pixels(data, self.max_pixels)
        try:
            truth_format = self.format_of(name)
        except LabelError as error:
            raise TruthError(str(error)) from error
        table = class_table(truth_format, self.labels, self.ignored)
        if stored.palette is not None:
            return self._read_indexed(stored.values, stored.palette, table, truth_format)
        values = stored.values
        if values.ndim == 2:
            if truth_format is not TruthFormat.COLORS:
                return _look_up(values, table)
            if values.dtype != np.uint8:
                raise TruthError("holds grey values of 16 bits, not colours")
            values = np.broadcast_to(values[..., None], (*values.shape, 3))
        elif truth_format is not TruthFormat.COLORS and is_grey(values):
            return _look_up(np.ascontiguousarray(values[..., 0]), table)
        return self._read_colors(values)

    def _read_indexed(
        self,
        indices: NDArray[np.uint8],
        palette: NDArray[np.uint8],
        table: NDArray[np.int16],
        truth_format: TruthFormat,
    ) -> NDArray[np.uint8]:
        present = _present(indices)
        colors = [_color(palette[index]) if index < len(palette) else None for index in present]
        ids = color_ids(self.labels)
        meanings = {color: ids.get(color, UNKNOWN) if color else UNKNOWN for color in colors}
        if truth_format is not TruthFormat.COLORS:
            if self._agrees(table[present], colors):
                return _look_up(indices, table)
            if UNKNOWN in meanings.values() or len(meanings) < len(colors):
                self._refuse_contradiction(present, colors, meanings)
                return _look_up(indices, table)
        unknown = [color for color, meaning in meanings.items() if meaning == UNKNOWN]
        if unknown:
            raise _no_class("colours", unknown)
        by_index = np.full(VALUES, UNKNOWN, np.int16)
        by_index[present] = [self._kept(meanings[color]) for color in colors]
        return _look_up(indices, by_index)

    def _agrees(self, meanings: NDArray[np.int16], colors: Sequence[Color | None]) -> bool:
        """Whether each index has the colour of the class that it is the id of."""
        return all(
            meaning == IGNORED or (meaning >= 0 and self.labels.palette[meaning] == color)
            for meaning, color in zip(meanings, colors, strict=True)
        )

    def _refuse_contradiction(
        self, present: NDArray[Any], colors: Sequence[Color | None], meanings: dict[Any, int]
    ) -> None:
        """Refuses a palette of which some colours are those of other classes, and some of none.

        Black, white and greys stand in any palette, and say nothing.
        """
        for index, color in zip(present.tolist(), colors, strict=True):
            meaning = meanings[color]
            if color and len(set(color)) > 1 and meaning not in (UNKNOWN, IGNORED, index):
                raise TruthClassError(
                    f"shows index {index} in the colour of {self.labels.names[meaning]}, and "
                    "others in colours of no class: save it as a grey PNG of ids"
                )

    def _read_colors(self, rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
        packed = np.zeros(rgb.shape[:2], np.uint32)
        for channel in range(3):
            packed <<= 8
            packed |= rgb[..., channel]
        # 0 is what no colour means; pages of the table that are not touched take no memory.
        answers = np.zeros(1 << 24, np.uint16)
        for (red, green, blue), label in color_ids(self.labels).items():
            if label != UNKNOWN:
                answers[red << 16 | green << 8 | blue] = self._kept(label) + 1
        labels = answers[packed]
        is_unknown = labels == 0
        if is_unknown.any():
            codes = np.unique(packed[is_unknown]).tolist()
            raise _no_class(
                "colours", [(code >> 16, code >> 8 & 255, code & 255) for code in codes]
            )
        return (labels - 1).astype(np.uint8)

    def _kept(self, label: int) -> int:
        return IGNORED if label in self.ignored else label


def _no_class(kind: str, values: Sequence[object]) -> TruthClassError:
    some = ", ".join(map(str, values[:_NAMED]))
    more = f" and {len(values) - _NAMED} more" if len(values) > _NAMED else ""
    return TruthClassError(f"holds the {kind} {some}{more}, which are no class here")


def _look_up(values: NDArray[Any], table: NDArray[np.int16]) -> NDArray[np.uint8]:
    present = _present(values)
    meanings = table[present]
    if (meanings == UNKNOWN).any():
        raise _no_class("values", present[meanings == UNKNOWN].tolist())
    if values.dtype != np.uint8:
        labels: NDArray[np.uint8] = table.astype(np.uint8)[values]
    elif np.array_equal(present, meanings):
        labels = values
    else:
        labels = cv2.LUT(values, table[:256].astype(np.uint8))
    return labels


def _present(values: NDArray[Any]) -> NDArray[np.int64]:
    if values.dtype == np.uint8:
        return np.flatnonzero(cv2.calcHist([values], [0], None, [256], [0, 256]))
    return np.flatnonzero(np.bincount(values.ravel()))


def _color(entry: NDArray[np.uint8]) -> Color:
    red, green, blue = entry.tolist()
    return red, green, blue
