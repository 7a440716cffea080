"""Which truth belongs to which image, by their names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from beam_deeplab.transforms.records import Failure, FailureCode, ImageRef, LabelledRef, Stage

STEM_ENDINGS: Final = (
    "_leftImg8bit",
    "_gtFine_labelIds",
    "_gtFine_labelTrainIds",
    "_gtCoarse_labelIds",
    "_gtCoarse_labelTrainIds",
)
"""What Cityscapes puts behind the name that a photo and its truth share."""

_NAMED: Final = 3
"""How many files a message names."""

_NOTHING: Final = ImageRef("")


@dataclass(frozen=True)
class Pairing:
    """What was named, each of it in exactly one row.

    Attributes:
        pairs: Images with their truth, by URI.
        failures: Images without, truths without, and those of which nobody can tell. A truth
            without an image has a ref with an empty URI, an image without a truth one with an
            empty ``truth``.
        duplicates: How many further times an image or a truth was named.
    """

    pairs: Sequence[LabelledRef] = field(repr=False)
    failures: Sequence[Failure] = field(repr=False)
    duplicates: int


def stem_of(uri: str) -> str:
    """What an image and its truth share: the file's name without its suffix.

    The endings of Cityscapes (:data:`STEM_ENDINGS`) are taken off too, so that
    ``aachen_000000_000019_leftImg8bit.png`` and ``aachen_000000_000019_gtFine_labelIds.png`` are
    a pair. Folders do not count, upper and lower case do.
    """
    name = uri.rpartition("/")[2]
    stem = name.rpartition(".")[0] or name
    for ending in STEM_ENDINGS:
        if stem.endswith(ending):
            return stem.removesuffix(ending)
    return stem


def pair_by_stem(images: Iterable[ImageRef], truths: Iterable[ImageRef]) -> Pairing:
    """Pairs images and truths of the same stem.

    Args:
        images: In any order; an image named twice is one image.
        truths: The same for the truths.

    Returns:
        The pairs; MISSING_TRUTH and MISSING_IMAGE for stems that only one side has, AMBIGUOUS for
        all files of a stem that one side has twice, and for files named on both sides.
    """
    listed_images, listed_truths = list(images), list(truths)
    image_by_uri, truth_by_uri = _newest(listed_images), _newest(listed_truths)
    duplicates = len(listed_images) + len(listed_truths) - len(image_by_uri) - len(truth_by_uri)
    failures = []
    for uri in sorted(image_by_uri.keys() & truth_by_uri.keys()):
        ref = _labelled(image_by_uri.pop(uri), truth_by_uri.pop(uri))
        message = "is named as an image and as a truth: give patterns that tell them apart"
        failures.append(_failure(ref, FailureCode.AMBIGUOUS, message))
    images_of, truths_of = _by_stem(image_by_uri), _by_stem(truth_by_uri)
    pairs = []
    for stem in sorted(images_of.keys() | truths_of.keys()):
        of_image, of_truth = images_of.get(stem, []), truths_of.get(stem, [])
        if len(of_image) == len(of_truth) == 1:
            pairs.append(_labelled(of_image[0], of_truth[0]))
        else:
            failures += _unpaired(stem, of_image, of_truth)
    return Pairing(sorted(pairs), failures, duplicates)


def check_pairs(pairs: Iterable[LabelledRef]) -> Pairing:
    """Holds against each other the pairs that a list names.

    Args:
        pairs: In any order; a pair named twice is one pair. Images may share a truth.

    Returns:
        The pairs; AMBIGUOUS for an image that is named with different truths.
    """
    listed = list(pairs)
    by_image: dict[str, dict[str, LabelledRef]] = {}
    for pair in listed:
        by_image.setdefault(pair.uri, {})[pair.truth.uri] = pair
    kept, failures = [], []
    for uri in sorted(by_image):
        choices = by_image[uri]
        pair = choices[min(choices)]
        if len(choices) == 1:
            kept.append(pair)
        else:
            message = f"is named with {len(choices)} truths: {_names(choices)}"
            ref = LabelledRef(pair.uri, pair.version)
            failures.append(_failure(ref, FailureCode.AMBIGUOUS, message))
    distinct = sum(len(choices) for choices in by_image.values())
    return Pairing(kept, failures, len(listed) - distinct)


def _newest(refs: Iterable[ImageRef]) -> dict[str, ImageRef]:
    newest: dict[str, ImageRef] = {}
    for ref in refs:
        known = newest.get(ref.uri)
        if known is None or ref.version > known.version:
            newest[ref.uri] = ref
    return newest


def _by_stem(refs: Mapping[str, ImageRef]) -> dict[str, list[ImageRef]]:
    by_stem: dict[str, list[ImageRef]] = {}
    for uri in sorted(refs):
        by_stem.setdefault(stem_of(uri), []).append(refs[uri])
    return by_stem


def _labelled(image: ImageRef, truth: ImageRef) -> LabelledRef:
    return LabelledRef(image.uri, image.version, truth)


def _unpaired(
    stem: str, images: Sequence[ImageRef], truths: Sequence[ImageRef]
) -> Iterable[Failure]:
    refs = [_labelled(image, _NOTHING) for image in images]
    refs += [_labelled(_NOTHING, truth) for truth in truths]
    if not truths and len(images) == 1:
        code, message = FailureCode.MISSING_TRUTH, f"no truth has the stem {stem!r}"
    elif not images and len(truths) == 1:
        code, message = FailureCode.MISSING_IMAGE, f"no image has the stem {stem!r}"
    else:
        code = FailureCode.AMBIGUOUS
        message = (
            f"{len(images)} images and {len(truths)} truths have the stem {stem!r} "
            f"({_names(ref.uri or ref.truth.uri for ref in refs)}): say which belong together in "
            "a list with the columns image_uri and truth_uri"
        )
    return [_failure(ref, code, message) for ref in refs]


def _failure(ref: LabelledRef, code: FailureCode, message: str) -> Failure:
    return Failure(ref, Stage.PAIR, code, message)


def _names(uris: Iterable[str]) -> str:
    named = sorted(uris)
    more = f" and {len(named) - _NAMED} more" if len(named) > _NAMED else ""
    return ", ".join(named[:_NAMED]) + more
