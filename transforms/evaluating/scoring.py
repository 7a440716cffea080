"""One mask against its truth."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
from PIL import Image

from beam_deeplab.deeplab.truth import TruthClassError, TruthError, TruthRule
from beam_deeplab.transforms.evaluating.tally import Tally, tally_pixels
from beam_deeplab.transforms.records import (
    EncodedImage,
    Failure,
    FailureCode,
    LabelledRef,
    Segmentation,
    Stage,
)


@dataclass(frozen=True, slots=True)
class ImageScore:
    """How one picture's mask compares with its truth.

    Attributes:
        ref: The image and its truth.
        tally: The pixel counts.
        height: Height in pixels of the upright original.
        width: Width in pixels of the upright original.
    """

    ref: LabelledRef
    tally: Tally
    height: int
    width: int


def score_mask(
    mask: Segmentation, truth: EncodedImage | Failure, rule: TruthRule
) -> ImageScore | Failure:
    """Score one mask, its ``ref`` a :class:`transforms.LabelledRef`, against its truth's content.

    Returns:
        The counts, or TRUTH_UNREADABLE, TRUTH_SIZE (another size than the upright picture) or
        TRUTH_CLASS (a value that is neither a class nor ignored).
    """
    assert isinstance(mask.ref, LabelledRef)
    ref, original = mask.ref, mask.original

    def failure(stage: Stage, code: FailureCode, message: str) -> Failure:
        return Failure(ref, stage, code, f"{ref.truth.uri}: {message}")

    if isinstance(truth, Failure):
        return failure(Stage.READ, FailureCode.TRUTH_UNREADABLE, truth.message)
    ref = LabelledRef(ref.uri, ref.version, truth.ref)
    try:
        labels = rule.read(truth.data, truth.ref.uri)
    except TruthError as error:
        is_read = isinstance(error, TruthClassError)
        code = FailureCode.TRUTH_CLASS if is_read else FailureCode.TRUTH_UNREADABLE
        return failure(Stage.SCORE, code, str(error))
    if labels.shape != (original.height, original.width):
        return failure(
            Stage.SCORE,
            FailureCode.TRUTH_SIZE,
            f"has {labels.shape[1]} x {labels.shape[0]} pixels, "
            f"the upright picture {original.width} x {original.height}",
        )
    with Image.open(io.BytesIO(mask.mask_png)) as picture:
        predicted = np.asarray(picture)
    tally = tally_pixels(labels, predicted, len(rule.labels))
    return ImageScore(ref, tally, original.height, original.width)
