"""The frozen records that flow through the pipeline, one for each stage of an image's way.

Every image that enters a step leaves it as exactly one record: the next stage's, or a
:class:`Failure` that later steps pass through untouched. A record's ``ref`` is the image, its
``slot`` the place in a shard (None outside a sharded run), ``original`` the picture as stored.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class FailureCode(StrEnum):
    """Why an image has no result or no score: the vocabulary of the column ``code``."""

    NOT_FOUND = "NOT_FOUND"
    PERMISSION_DENIED = "PERMISSION_DENIED"
    READ_ERROR = "READ_ERROR"
    CHANGED = "CHANGED"
    EMPTY = "EMPTY"
    UNSUPPORTED_FORMAT = "UNSUPPORTED_FORMAT"
    CORRUPT = "CORRUPT"
    TOO_LARGE = "TOO_LARGE"
    INFERENCE_ERROR = "INFERENCE_ERROR"
    NON_FINITE = "NON_FINITE"
    CRASHED = "CRASHED"
    MISSING_TRUTH = "MISSING_TRUTH"
    MISSING_IMAGE = "MISSING_IMAGE"
    AMBIGUOUS = "AMBIGUOUS"
    TRUTH_UNREADABLE = "TRUTH_UNREADABLE"
    TRUTH_SIZE = "TRUTH_SIZE"
    TRUTH_CLASS = "TRUTH_CLASS"


class Stage(StrEnum):
    """The step that an image failed in; the vocabulary of the column ``stage`` of failures."""

    PAIR = "pair"
    READ = "read"
    DECODE = "decode"
    INFER = "infer"
    MASK = "mask"
    RENDER = "render"
    SCORE = "score"


@dataclass(frozen=True, slots=True, order=True)
class ImageRef:
    """One version of one image.

    Attributes:
        uri: Where it is: ``gs://bucket/object`` or a local path; or a caller's own key.
        version: What tells this content from a later one under the same URI: the object's
            generation, or ``<size>-<mtime in ns>`` of a local file; empty if not known.
        size: The file's bytes, as it was listed; None if not known. It tells no two refs apart.
    """

    uri: str
    version: str = ""
    size: int | None = field(default=None, compare=False, kw_only=True)


@dataclass(frozen=True, slots=True, order=True)
class LeftOut:
    """Files that an input names and that are not looked at, for one reason.

    Attributes:
        pattern: The input: a glob or a folder.
        kind: What they are: a suffix (``.json``), ``without suffix``, ``hidden`` or ``in the
            output``.
        count: How many.
    """

    pattern: str
    kind: str
    count: int


@dataclass(frozen=True, slots=True, order=True)
class LabelledRef(ImageRef):
    """An image whose truth is known; it flows wherever an :class:`ImageRef` does.

    Attributes:
        truth: The ground truth of the image.
    """

    truth: ImageRef = ImageRef("")


@dataclass(frozen=True, slots=True)
class ShardSlot:
    """An image's place in the shard that it is written with.

    Attributes:
        shard: The shard's id, 16 hex digits.
        index: Position in the shard, from 0 to ``length - 1``.
        length: How many images the shard holds.
        with_care: Whether the shard is run one image at a time, since its process died before
            (:mod:`transforms.runs.attempts`).
    """

    shard: str
    index: int
    length: int
    with_care: bool = False


@dataclass(frozen=True, slots=True)
class EncodedImage:
    """A file's bytes, as read."""

    ref: ImageRef
    data: bytes
    slot: ShardSlot | None = None


@dataclass(frozen=True, slots=True)
class Original:
    """What a picture was in its file, before it was turned and reduced.

    Attributes:
        height: Height in pixels, upright.
        width: Width in pixels, upright.
        orientation: As stored, 1 to 8 as Exif 2.32 numbers them; 1 if there is none.
        scale: How far the picture was reduced to fit the canvas: content side over original side
            (of the side that had to shrink more), in (0, 1].
        truncated: Whether only a part of the file was there, and the rest of the pixels is made up.
    """

    height: int
    width: int
    orientation: int = 1
    scale: float = 1.0
    truncated: bool = False


@dataclass(frozen=True, slots=True)
class DecodedImage:
    """An upright picture, reduced to fit the canvas.

    Attributes:
        pixels: uint8 RGB of shape [content height, content width, 3], neither side larger
            than the canvas's.
        data: The file's bytes, where a step behind the network needs them.
    """

    ref: ImageRef
    pixels: NDArray[np.uint8]
    original: Original
    slot: ShardSlot | None = None
    data: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class LogitsGrid:
    """What the network answered for one picture, still at its output stride.

    Attributes:
        logits: float32 of shape [grid height, grid width, classes]; its corners are the
            canvas's corners.
        stride: Canvas pixels between two grid points.
        content_height: Rows of the canvas that the picture covers, from its top edge.
        content_width: Columns of the canvas that the picture covers, from its left edge.
        data: The file's bytes, as with the picture.
    """

    ref: ImageRef
    logits: NDArray[np.float32]
    stride: int
    content_height: int
    content_width: int
    original: Original
    slot: ShardSlot | None = None
    data: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class ClassArea:
    """How much of one picture belongs to one class.

    Attributes:
        class_id: The label, from 0.
        class_name: The label's name.
        pixels: Pixels of the original picture with this label, at least 1.
        fraction: ``pixels`` over the picture's pixels, in (0, 1].
        mean_confidence: Mean softmax probability of the label over those pixels, in (0, 1].
    """

    class_id: int
    class_name: str
    pixels: int
    fraction: float
    mean_confidence: float


@dataclass(frozen=True, slots=True)
class Segmentation:
    """A picture's mask at its original size and its class areas.

    Attributes:
        ref: The image.
        mask_png: The label map as an indexed PNG of the original size, in the model's palette; 255
            where the network was too unsure (``ignore_below``).
        areas: One entry a class present, by class id; their pixels add up to width x height, less
            those that are 255.
        original: The picture as the file holds it.
        slot: Its place in a shard; None outside a sharded run.
    """

    ref: ImageRef
    mask_png: bytes
    areas: tuple[ClassArea, ...]
    original: Original
    slot: ShardSlot | None = None


UNCHANGED: Final = "none"
"""The effect on a picture that is left as it is, since there is nothing of a subject in it."""


@dataclass(frozen=True, slots=True)
class Rendering:
    """A picture after an effect, as a file of the original's upright size.

    Attributes:
        ref: The image.
        image: The file.
        suffix: Of the file, without a point.
        effect: What was done: ``portrait``, ``cutout`` or ``redact``, or :data:`UNCHANGED`.
        subject_fraction: The subject's share of the picture, in [0, 1].
        original: The picture as the image's file holds it.
        slot: Its place in a shard; None outside a sharded run.
    """

    ref: ImageRef
    image: bytes
    suffix: str
    effect: str
    subject_fraction: float
    original: Original
    slot: ShardSlot | None = None


@dataclass(frozen=True, slots=True)
class Failure:
    """An image that has no mask, and why.

    Attributes:
        ref: The image.
        stage: The step that failed.
        code: The kind of failure.
        message: One line that says what happened, for people.
        slot: Its place in a shard; None outside a sharded run.
    """

    ref: ImageRef
    stage: Stage
    code: FailureCode
    message: str
    slot: ShardSlot | None = None


@dataclass(frozen=True, slots=True)
class BatchBarrier:
    """Makes the pictures before it leave their batch, so that they are finished before it is.

    It follows each image of a shard that is run one image at a time; steps hand it on, and the
    writer drops it.
    """


@dataclass(frozen=True, slots=True)
class Shard:
    """The images that are read, inferred and written together; the unit of retry.

    Attributes:
        id: 16 hex digits (:func:`transforms.runs.sharding.shard_id`).
        refs: Its images, sorted.
        again: Whether parts of earlier work that stand under its name are to be made again.
    """

    id: str
    refs: tuple[ImageRef, ...]
    again: bool = False


@dataclass(frozen=True, slots=True)
class Part:
    """One Parquet file that a shard wrote.

    Attributes:
        dataset: The folder under the output: ``masks``, ``renders`` or ``failures``.
        shard: The shard's id.
        rows: Rows in the file, at least 1.
        size: The file's size in bytes.
    """

    dataset: str
    shard: str
    rows: int
    size: int

    @property
    def path(self) -> str:
        """The file's path below the output."""
        return f"{self.dataset}/part-{self.shard}.parquet"
