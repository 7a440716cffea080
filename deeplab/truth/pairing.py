"""Which truth belongs to which image, by their names.

A truth belongs to the image of the same name, or of the name that is left when what tools append
to truth is taken off: ``_mask``, ``_gtFine_labelIds``, a second suffix as in ``x.jpg.png``. Where
several folders hold files of one name, the folders decide.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from beam_deeplab.deeplab.image_suffixes import IMAGE_SUFFIXES

_TRUTH_ENDING: Final = re.compile(
    r"[-_. ](?:gtFine|gtCoarse|labelIds|labelTrainIds|instanceIds|train_?id|id|colou?rs?|L|masks?"
    r"|labels?|gt|ground_?truth|truth|targets?|seg|segm|segmentations?|annotations?|anno|class)$",
    re.IGNORECASE,
)
"""What stands behind the name that a truth shares with its image: what Cityscapes, CamVid, ISIC,
Carvana and annotation tools append. It counts only where an image of the shorter name is there."""

_IMAGE_ENDING: Final = re.compile(r"[-_](?:leftImg8bit|image|img|rgb|sat|photo)$", re.IGNORECASE)
"""The same of images."""

_NO_TRUTH: Final = re.compile(r"[-_]instanceIds$", re.IGNORECASE)
"""What lies beside truth in Cityscapes' folders, and is none."""

_PREFERRED: Final = ("", "labelids", "labeltrainids")
"""Where an image has several truths: that of its own name, then these, then any other..."""
_LAST: Final = re.compile(r"colou?rs?$", re.IGNORECASE)
"""...and those in colours last."""

_DEEPEST: Final = 8
"""Folders above a file that are looked at to tell files of one name apart."""


@dataclass(frozen=True)
class NamePairing:
    """What became of each name.

    Attributes:
        pairs: Images with their truth.
        without_truth: Images that no truth belongs to.
        without_image: Truths that belong to no image.
        ambiguous: Images and truths of which nobody can tell, those of one name together.
        named_twice: Names that are both an image's and a truth's.
        left_out: Truths of an image that has a better one (``_color`` beside ``_labelIds``), and
            what is no truth (``_instanceIds``, or without the ending that was asked for).
    """

    pairs: list[tuple[str, str]] = field(default_factory=list)
    without_truth: list[str] = field(default_factory=list)
    without_image: list[str] = field(default_factory=list)
    ambiguous: list[tuple[list[str], list[str]]] = field(default_factory=list)
    named_twice: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Truth:
    name: str
    rank: int


_Key: TypeAlias = Callable[[str], tuple[str, ...]]


def pair_names(
    images: Iterable[str], truths: Iterable[str], truth_suffix: str | None = None
) -> NamePairing:
    """Pairs images and truths, each name once.

    Upper and lower case of names count, the way accents are encoded does not (NFC and NFD).

    Args:
        images: Distinct paths or URIs.
        truths: The same of truths. What is named on both sides and ends as truth does is truth.
        truth_suffix: What every truth's name ends with, before its file suffix or with it, such as
            ``_manual1``; what does not end so is no truth. None for the endings that are known.
    """
    listed = sorted(truths)
    chains = {name: chain for name in listed if (chain := _truth_stems(name, truth_suffix))}
    image_names = sorted(images)
    result = NamePairing(left_out=sorted(set(listed) - chains.keys()))
    both = set(image_names) & chains.keys()
    image_names = [name for name in image_names if name not in both or len(chains[name]) == 1]
    claimed = {stem for name, chain in chains.items() for stem in chain[1:]}
    for name in sorted(both):
        if len(chains[name]) == 1:
            del chains[name]
            if stem_of(name) not in claimed:
                image_names.remove(name)
                result.named_twice.append(name)
    groups = _groups(image_names, chains, result)
    keys = [_varying(image_names), _varying(chains)]
    for of_image, of_truth in groups:
        _settle(of_image, of_truth, keys, result)
    for names in (result.pairs, result.without_truth, result.without_image, result.left_out):
        names.sort()
    return result


def stem_of(name: str) -> str:
    """A file's name without folders and suffix, accents composed (NFC)."""
    base = unicodedata.normalize("NFC", name.rpartition("/")[2])
    return base.rpartition(".")[0] or base


def image_stem(name: str) -> str:
    """A file's stem without what data sets append to images: ``x_leftImg8bit.png`` -> ``x``."""
    return _IMAGE_ENDING.sub("", stem_of(name))


def _truth_stems(name: str, suffix: str | None) -> list[str]:
    """The stems that a truth's image may have, the longest first; none if it is no truth."""
    stem = stem_of(name)
    if suffix is not None:
        ending = unicodedata.normalize("NFC", suffix)
        if "." in ending and ending.lower().endswith(IMAGE_SUFFIXES):
            ending = ending.rpartition(".")[0]
        shorter = stem.removesuffix(ending)
        return [_without_suffix(shorter)] if shorter and (shorter != stem or not ending) else []
    if _NO_TRUTH.search(stem):
        return []
    stems = [stem]
    while True:
        shorter = _without_suffix(_TRUTH_ENDING.sub("", stem))
        if shorter in (stem, ""):
            return stems
        stems.append(stem := shorter)


def _without_suffix(stem: str) -> str:
    """``x.jpg`` -> ``x``, as what is left of ``x.jpg.png``."""
    return stem.rpartition(".")[0] if stem.lower().endswith(IMAGE_SUFFIXES) else stem


def _groups(
    images: Sequence[str], chains: dict[str, list[str]], result: NamePairing
) -> Iterator[tuple[list[str], list[_Truth]]]:
    """Images of one stem with the truths that claim it."""
    by_stem: dict[str, list[str]] = {}
    stems_by_shorter: dict[str, set[str]] = {}
    for name in images:
        stem = stem_of(name)
        by_stem.setdefault(stem, []).append(name)
        stems_by_shorter.setdefault(image_stem(name), set()).add(stem)
    truths_by_stem: dict[str, list[_Truth]] = {}
    for name, chain in chains.items():
        claimed = next((stem for stem in chain if stem in by_stem), None)
        if claimed is None:
            shorter = (stems_by_shorter.get(stem, set()) for stem in chain)
            claimed = next((next(iter(stems)) for stems in shorter if len(stems) == 1), None)
        if claimed is None:
            result.without_image.append(name)
        else:
            truths_by_stem.setdefault(claimed, []).append(_Truth(name, _rank(name, claimed)))
    for stem, names in by_stem.items():
        yield names, truths_by_stem.get(stem, [])


def _rank(truth: str, claimed: str) -> int:
    stem = stem_of(truth)
    ending = "" if stem == claimed else re.split("[-_. ]", stem)[-1].lower()
    if ending in _PREFERRED:
        return _PREFERRED.index(ending)
    return len(_PREFERRED) + bool(_LAST.search(ending))


def _settle(
    images: list[str], truths: list[_Truth], varying: Sequence[_Key], result: NamePairing
) -> None:
    """Pairs the files of one stem: where there are several, by their folders."""
    by_image, by_truth = varying
    images, truths = _pair_single(images, truths, result, lambda _: (), lambda _: ())
    if images and truths:
        images, truths = _pair_single(images, truths, result, by_image, by_truth)
    for depth in range(1, _DEEPEST + 1):
        if not (images and truths):
            break

        def last(name: str, depth: int = depth) -> tuple[str, ...]:
            return _folders(name)[-depth:]

        images, truths = _pair_single(images, truths, result, last, last)
    if images and truths:
        result.ambiguous.append((images, [truth.name for truth in truths]))
    else:
        result.without_truth.extend(images)
        result.without_image.extend(truth.name for truth in truths)


def _pair_single(
    images: list[str], truths: list[_Truth], result: NamePairing, by_image: _Key, by_truth: _Key
) -> tuple[list[str], list[_Truth]]:
    """Pairs what is alone under its key; gives what is left."""
    truths_of: dict[tuple[str, ...], list[_Truth]] = {}
    for truth in truths:
        truths_of.setdefault(by_truth(truth.name), []).append(truth)
    images_of: dict[tuple[str, ...], list[str]] = {}
    for image in images:
        images_of.setdefault(by_image(image), []).append(image)
    left_images: list[str] = []
    for key, names in images_of.items():
        ranked = sorted(truths_of.get(key, []), key=lambda truth: truth.rank)
        is_best_alone = ranked and (len(ranked) == 1 or ranked[0].rank < ranked[1].rank)
        if len(names) > 1 or not is_best_alone:
            left_images += names
            continue
        result.pairs.append((names[0], ranked[0].name))
        result.left_out.extend(truth.name for truth in ranked[1:])
        del truths_of[key]
    return left_images, [truth for group in truths_of.values() for truth in group]


def _folders(name: str) -> tuple[str, ...]:
    return tuple(unicodedata.normalize("NFC", name).split("/")[:-1])


def _varying(names: Iterable[str]) -> _Key:
    """From a name to its folders, without those that all of the names begin or end with."""
    distinct = {_folders(name) for name in names}
    shortest = min(map(len, distinct), default=0)

    def common(step: int) -> int:
        for place in range(shortest):
            if len({folders[::step][place] for folders in distinct}) > 1:
                return place
        return shortest

    head, tail = common(1), common(-1)

    def key(name: str) -> tuple[str, ...]:
        folders = _folders(name)
        return folders[head : max(head, len(folders) - tail)]

    return key
