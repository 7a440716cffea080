"""Ground truth files -> label maps in the ids of the model's classes."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Final

import cv2
import numpy as np

from beam_deeplab.deeplab.labels import (
    ADE20K,
    CITYSCAPES,
    OFFICIAL_LABELS,
    LabelError,
    LabelSet,
    train_ids,
)
from beam_deeplab.transforms.decoding.codecs import read_header
from beam_deeplab.transforms.decoding.formats import (
    DecodingError,
    Header,
    ImageFormat,
    refuse_too_large,
)
from beam_deeplab.transforms.decoding.options import DEFAULT_MAX_PIXELS
from beam_deeplab.transforms.decoding.png import load_png
from beam_deeplab.transforms.decoding.resizing import turn_upright
from beam_deeplab.transforms.records import FailureCode

if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import NDArray

IGNORED: Final = 255
"""What pixels that count nowhere have in a label map of truth, whatever the file says."""

_UNKNOWN: Final = -1
_GREY, _INDEXED = 0, 3  # colour types of PNG


class TruthFormat(StrEnum):
    """What the pixel values of truth files stand for.

    ``ids`` are the model's own class ids, and the ignore label of its label set (PASCAL VOC's
    palette PNGs, grey PNGs, Cityscapes' ``labelTrainIds``). ``cityscapes`` are the 34 official ids
    of ``labelIds``, of which 19 are classes. ``ade20k`` are 1 to 150, and 0 for what is ignored.
    """

    IDS = "ids"
    CITYSCAPES = "cityscapes"
    ADE20K = "ade20k"


class TruthError(Exception):
    """A truth file that cannot be scored against.

    Attributes:
        code: TRUTH_UNREADABLE or TRUTH_CLASS.
        message: One short line for people, without the file's name.
    """

    def __init__(self, code: FailureCode, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def choose_truth_format(labels: LabelSet, truth_uri: str) -> TruthFormat:
    """What the truth of a model with these labels most likely holds.

    Args:
        labels: The model's.
        truth_uri: One of the truth files.

    Returns:
        ``ade20k`` for the labels of that name, ``ids`` for all others but Cityscapes', where the
        file's name tells ``labelIds`` from ``labelTrainIds``.

    Raises:
        LabelError: It is about Cityscapes, and the name tells neither.
    """
    if labels.name == ADE20K.name:
        return TruthFormat.ADE20K
    if labels.name != CITYSCAPES.name:
        return TruthFormat.IDS
    name = truth_uri.rpartition("/")[2].lower()
    if "labeltrainids" in name:
        return TruthFormat.IDS
    if "labelids" in name:
        return TruthFormat.CITYSCAPES
    raise LabelError(
        f"the name of {truth_uri} does not tell whether it holds official ids or train ids: "
        "say cityscapes for labelIds, ids for train ids"
    )


def class_table(truth_format: TruthFormat, labels: LabelSet) -> NDArray[np.int16]:
    """What each pixel value of a truth file means.

    Args:
        truth_format: What the values stand for.
        labels: The model's classes.

    Returns:
        int16 of shape [256]: the class id, 255 for ignored, -1 for values that must not occur.

    Raises:
        LabelError: The model's number of classes does not suit the format.
    """
    table = np.full(256, _UNKNOWN, np.int16)
    classes = len(labels)
    if truth_format is TruthFormat.IDS:
        table[:classes] = np.arange(classes)
        table[labels.ignore_label] = IGNORED
    elif truth_format is TruthFormat.CITYSCAPES:
        _require_classes(truth_format, classes, (len(CITYSCAPES),))
        official = np.array([label.official_id for label in OFFICIAL_LABELS])
        table[official] = train_ids(official)
    else:
        # Official models have a class 0 that was ignored in training; others may do without.
        things = len(ADE20K) - 1
        _require_classes(truth_format, classes, (things, things + 1))
        table[0] = IGNORED
        table[1 : things + 1] = np.arange(things) + (classes - things)
    return table


def _require_classes(truth_format: TruthFormat, found: int, wanted: tuple[int, ...]) -> None:
    if found not in wanted:
        numbers = " or ".join(map(str, wanted))
        raise LabelError(
            f"truth of the format {truth_format} suits models of {numbers} classes, not of {found}"
        )


def decode_truth(
    data: bytes, table: NDArray[np.int16], max_pixels: int = DEFAULT_MAX_PIXELS
) -> NDArray[np.uint8]:
    """Decode a truth file.

    Args:
        data: A PNG: indexed (the index is the value, the palette means nothing) or grey, of up to
            16 bits.
        table: What values mean (:func:`class_table`).
        max_pixels: Pixels that the header may claim.

    Returns:
        uint8 of shape [height, width]: class ids, and 255 for ignored pixels.

    Raises:
        TruthError: TRUTH_UNREADABLE if it is no such file, TRUTH_CLASS if a value has no meaning.
    """
    values = _pixel_values(data, max_pixels)
    present = _values_present(values)
    meanings = np.where(present < len(table), table[np.minimum(present, len(table) - 1)], _UNKNOWN)
    unknown = present[meanings == _UNKNOWN]
    if len(unknown):
        some = ", ".join(map(str, unknown[:5].tolist()))
        more = f" and {len(unknown) - 5} more" if len(unknown) > 5 else ""
        raise TruthError(
            FailureCode.TRUTH_CLASS, f"holds the values {some}{more}, which are no class here"
        )
    labels: NDArray[np.uint8] = values.astype(np.uint8, copy=False)
    if not np.array_equal(present, meanings):
        labels = cv2.LUT(labels, table.astype(np.uint8))
    return labels


def _values_present(values: NDArray[Any]) -> NDArray[np.int64]:
    if values.dtype == np.uint8:
        return np.flatnonzero(cv2.calcHist([values], [0], None, [256], [0, 256]))
    return np.flatnonzero(np.bincount(values.ravel()))


def _pixel_values(data: bytes, max_pixels: int) -> NDArray[Any]:
    try:
        header = read_header(data)
        if header.format is not ImageFormat.PNG:
            raise _unreadable(f"is a {header.format}, not a PNG")
        refuse_too_large(header, max_pixels)
        return _png_values(data, header)
    except TruthError:
        raise
    except DecodingError as error:
        raise _unreadable(error.message) from error
    except Exception as error:  # codecs raise whatever a damaged file makes them trip over
        reason = next(iter(str(error).splitlines()), "") or type(error).__name__
        raise _unreadable(f"PNG: {reason}") from error


def _png_values(data: bytes, header: Header) -> NDArray[Any]:
    bit_depth, colour_type = data[24], data[25]
    if colour_type not in (_GREY, _INDEXED):
        raise _unreadable("holds colours, not class ids: save it as a grey or indexed PNG")
    values = np.asarray(load_png(data, header)[0])
    if values.dtype == np.bool_:
        values = values.astype(np.uint8)
    elif colour_type == _GREY and bit_depth in (2, 4):
        values = values // (255 // ((1 << bit_depth) - 1))  # Pillow has spread them over 0 to 255
    return turn_upright(values, header.orientation)


def _unreadable(message: str) -> TruthError:
    return TruthError(FailureCode.TRUTH_UNREADABLE, message)
