"""Images and the truths that belong to them: by their names, or by a list."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from beam_deeplab.deeplab.truth import pair_names
from beam_deeplab.deeplab.truth.pairing import stem_of
from beam_deeplab.transforms import storage
from beam_deeplab.transforms.records import Failure, FailureCode, ImageRef, LabelledRef, Stage
from beam_deeplab.transforms.sources.image_lists import read_uri_pairs
from beam_deeplab.transforms.sources.listing import absolute_pattern
from beam_deeplab.transforms.sources.matching import match_files
from beam_deeplab.transforms.sources.patterns import Glob, is_wild
from beam_deeplab.transforms.sources.versions import with_versions

_NAMED: Final = 3
"""How many files a message names."""

_NOTHING: Final = ImageRef("")


@dataclass(frozen=True)
class Pairing:
    """What was named, each of it in one row, or counted.

    Attributes:
        pairs: Images with their truth, by URI.
        failures: Images without, truths without, and those of which nobody can tell. A truth
            without an image has a ref with an empty URI, an image without a truth one with an
            empty ``truth``.
        images: Distinct images that were named.
        truths: Distinct truths that were named.
        duplicates: How many further times one of them was named.
        left_out: Truths of an image that has a better one, and files that are neither.
    """

    pairs: Sequence[LabelledRef] = field(repr=False)
    failures: Sequence[Failure] = field(repr=False)
    images: int
    truths: int
    duplicates: int
    left_out: int = 0

    def named(self) -> dict[str, int]:
        """The counts, for the report."""
        return {
            "images": self.images,
            "truths": self.truths,
            "duplicates": self.duplicates,
            "left_out": self.left_out,
            "pairs": len(self.pairs),
        }


def pair_by_name(
    images: Iterable[ImageRef], truths: Iterable[ImageRef], truth_suffix: str | None = None
) -> Pairing:
    """Pairs images and truths by their names (:mod:`deeplab.truth.pairing`).

    Of each, one that is named twice is one. The names of truths end with ``truth_suffix``, or, if
    that is None, with what is known.

    Returns:
        The pairs; MISSING_TRUTH and MISSING_IMAGE for what has no partner, AMBIGUOUS for all files
        of a name of which nobody can tell, and for files named on both sides.
    """
    listed_images, listed_truths = list(images), list(truths)
    image_of, truth_of = _newest(listed_images), _newest(listed_truths)
    names = pair_names(image_of, truth_of, truth_suffix)
    twice = "is named as an image and as a truth: give patterns that tell them apart"
    failures = [
        _failure(_labelled(image_of[uri], truth_of[uri]), FailureCode.AMBIGUOUS, twice)
        for uri in names.named_twice
    ]
    for uri in names.without_truth:
        message = f"no truth has the name {stem_of(uri)!r}, alone or with a known ending"
        ref = _labelled(image_of[uri], _NOTHING)
        failures.append(_failure(ref, FailureCode.MISSING_TRUTH, message))
    for uri in names.without_image:
        message = f"no image has the name {stem_of(uri)!r}, with or without its ending"
        ref = _labelled(_NOTHING, truth_of[uri])
        failures.append(_failure(ref, FailureCode.MISSING_IMAGE, message))
    for of_image, of_truth in names.ambiguous:
        message = (
            f"{len(of_image)} images and {len(of_truth)} truths have the name "
            f"{stem_of(of_image[0])!r} ({_few([*of_image, *of_truth])}): say which belong "
            "together in a list with the columns image_uri and truth_uri"
        )
        refs = [_labelled(image_of[uri], _NOTHING) for uri in of_image]
        refs += [_labelled(_NOTHING, truth_of[uri]) for uri in of_truth]
        failures += [_failure(ref, FailureCode.AMBIGUOUS, message) for ref in refs]
    distinct = len(image_of) + len(truth_of)
    return Pairing(
        pairs=[_labelled(image_of[image], truth_of[truth]) for image, truth in names.pairs],
        failures=failures,
        images=len(image_of),
        truths=len(truth_of),
        duplicates=len(listed_images) + len(listed_truths) - distinct,
        left_out=len(names.left_out),
    )


def check_pairs(pairs: Iterable[LabelledRef]) -> Pairing:
    """Holds against each other the pairs that a list names.

    A pair named twice is one pair, and images may share a truth; an image that is named with
    different truths is AMBIGUOUS.
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
            message = f"is named with {len(choices)} truths: {_few(choices)}"
            ref = LabelledRef(pair.uri, pair.version)
            failures.append(_failure(ref, FailureCode.AMBIGUOUS, message))
    distinct = sum(len(choices) for choices in by_image.values())
    truths = len({pair.truth.uri for pair in listed})
    return Pairing(kept, failures, len(by_image), truths, len(listed) - distinct)


def list_pairs(pattern: str) -> Iterator[LabelledRef]:
    """The pairs that lists name: ``.csv`` or ``.parquet`` with ``image_uri`` and ``truth_uri``.

    They come with the versions that stand there now; what is not there has none.

    Raises:
        transforms.sources.image_lists.ImageListError: A list is malformed.
        OSError: It cannot be read.
    """
    lists: Iterable[str] = [pattern]
    if not storage.scheme(pattern):
        pattern = absolute_pattern(pattern)
    if is_wild(pattern):
        lists = [ref.uri for ref in match_files(Glob.parse(pattern))]
    for uri in lists:
        pairs = list(read_uri_pairs(uri))
        refs = {ref.uri: ref for ref in with_versions(dict.fromkeys(itertools.chain(*pairs)))}
        for image, truth in pairs:
            yield _labelled(refs[image], refs[truth])


def _newest(refs: Iterable[ImageRef]) -> dict[str, ImageRef]:
    newest: dict[str, ImageRef] = {}
    for ref in refs:
        known = newest.get(ref.uri)
        if known is None or ref.version > known.version:
            newest[ref.uri] = ref
    return newest


def _labelled(image: ImageRef, truth: ImageRef) -> LabelledRef:
    return LabelledRef(image.uri, image.version, truth, size=image.size)


def _failure(ref: LabelledRef, code: FailureCode, message: str) -> Failure:
    return Failure(ref, Stage.PAIR, code, message)


def _few(uris: Iterable[str]) -> str:
    named = sorted(uris)
    more = f" and {len(named) - _NAMED} more" if len(named) > _NAMED else ""
    return ", ".join(named[:_NAMED]) + more
