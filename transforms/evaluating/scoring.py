"""One mask against its truth."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from beam_deeplab.deeplab.labels import LabelSet
from beam_deeplab.transforms.decoding.options import DEFAULT_MAX_PIXELS
from beam_deeplab.transforms.evaluating.tally import Tally, tally_pixels
from beam_deeplab.transforms.evaluating.truth import (
    TruthError,
    TruthFormat,
    class_table,
    decode_truth,
)
from beam_deeplab.transforms.records import (
    EncodedImage,
    Failure,
    FailureCode,
    LabelledRef,
    Segmentation,
    ShardSlot,
    Stage,
)
from beam_deeplab.transforms.sources.reading import read_images


@dataclass(frozen=True, slots=True)
class ImageScore:
    """How one picture's mask compares with its truth.

    Attributes:
        ref: The image and its truth.
        tally: The pixel counts.
        height: Height in pixels of the upright original.
        width: Width in pixels of the upright original.
        slot: Its place in a shard; None outside a sharded run.
    """

    ref: LabelledRef
    tally: Tally
    height: int
    width: int
    slot: ShardSlot | None = None


@dataclass(frozen=True)
class TruthRule:
    """How truth files are understood.

    Attributes:
        labels: The classes of the masks.
        truth_format: What the pixel values of truth files stand for.
        max_pixels: Truth files that claim more pixels are refused before they are decoded.

    Raises:
        deeplab.labels.LabelError: The number of classes does not suit the format.
    """

    labels: LabelSet
    truth_format: TruthFormat
    max_pixels: int = DEFAULT_MAX_PIXELS

    def __post_init__(self) -> None:
        class_table(self.truth_format, self.labels)

    def decode(self, data: bytes) -> NDArray[np.uint8]:
        """Decodes a truth file (:func:`transforms.evaluating.truth.decode_truth`)."""
        return decode_truth(data, class_table(self.truth_format, self.labels), self.max_pixels)


def read_pairs(refs: Iterable[LabelledRef]) -> Iterator[EncodedImage | Failure]:
    """Reads images and truths, in order; what ``gs://`` holds is read ahead.

    Args:
        refs: The pairs; taken lazily.

    Yields:
        The image with its truth's content in ``ref.truth_data``; or why one of the two cannot be
        read, for the truth with the code TRUTH_UNREADABLE.

    Raises:
        transforms.storage.CredentialsError: Nobody is signed in.
    """
    rows = read_images(each for ref in refs for each in (ref, ref.truth))
    for image in rows:
        yield join_truth(image, next(rows))


def join_truth(
    image: EncodedImage | Failure, truth: EncodedImage | Failure
) -> EncodedImage | Failure:
    """Gives an image that was read its truth; see :func:`read_pairs`."""
    if isinstance(image, Failure):
        return image
    assert isinstance(image.ref, LabelledRef)
    if isinstance(truth, Failure):
        return unreadable_truth(image.ref, truth, image.slot)
    return replace(image, ref=replace(image.ref, truth=truth.ref, truth_data=truth.data))


def unreadable_truth(ref: LabelledRef, truth: Failure, slot: ShardSlot | None) -> Failure:
    """The failure of an image whose truth could not be read."""
    message = f"{truth.ref.uri}: {truth.message}"
    return Failure(ref, Stage.READ, FailureCode.TRUTH_UNREADABLE, message, slot)


def score_mask(row: Segmentation, rule: TruthRule) -> ImageScore | Failure:
    """Score one mask.

    Args:
        row: The mask; its ``ref`` holds the truth's content.
        rule: How that is understood.

    Returns:
        The counts, or TRUTH_UNREADABLE, TRUTH_SIZE (another size than the upright picture) or
        TRUTH_CLASS (a value that is neither a class nor the ignore label).
    """
    ref = row.ref
    assert isinstance(ref, LabelledRef)
    kept = replace(ref, truth_data=b"")
    try:
        truth = rule.decode(ref.truth_data)
    except TruthError as error:
        message = f"{ref.truth.uri}: {error.message}"
        return Failure(kept, Stage.SCORE, error.code, message, row.slot)
    original = row.original
    if truth.shape != (original.height, original.width):
        message = (
            f"{ref.truth.uri}: has {truth.shape[1]} x {truth.shape[0]} pixels, "
            f"the upright picture {original.width} x {original.height}"
        )
        return Failure(kept, Stage.SCORE, FailureCode.TRUTH_SIZE, message, row.slot)
    mask = np.asarray(Image.open(io.BytesIO(row.mask_png)))
    tally = tally_pixels(truth, mask, len(rule.labels))
    return ImageScore(kept, tally, original.height, original.width, row.slot)
