"""Pictures and their truth on disk: the folders of common data sets, their splits, the pairs."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from beam_deeplab.deeplab.image_suffixes import IMAGE_SUFFIXES, TRUTH_SUFFIXES
from beam_deeplab.deeplab.truth import pair_names

_VOC_IMAGES, _VOC_AUGMENTED = "JPEGImages", "SegmentationClassAug"
_LAYOUTS = (
    ("images", ("truth", "masks", "labels", "annotations")),
    (_VOC_IMAGES, (_VOC_AUGMENTED, "SegmentationClass")),
    ("leftImg8bit", ("gtFine", "gtCoarse")),
)
"""Folders of pictures, each with those that their truth may lie in: PASCAL VOC's, Cityscapes'."""

_TRAINING, _VALIDATION = ("train", "training"), ("val", "validation", "valid")
"""Folders of splits, below those."""

_LISTS = Path("ImageSets", "Segmentation")
_NAMED = 3


class DataError(ValueError):
    """Training data that cannot be had from its folders; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Pair:
    """One picture with its truth.

    Attributes:
        name: The picture's path below its folder, without its suffix.
        image: The picture's file.
        truth: The mask's file.
    """

    name: str
    image: Path
    truth: Path


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a file cannot be trained on.

    Attributes:
        path: The file.
        message: What is wrong with it, in a few words.
    """

    path: Path
    message: str

    def __str__(self) -> str:
        """One line."""
        return f"{self.path}: {self.message}"


@dataclass(frozen=True, slots=True)
class Folders:
    """Where pictures and their masks lie; the same folder if their names tell them apart."""

    images: Path
    truth: Path

    def split(self, names: Sequence[str]) -> Folders | None:
        """The folders of a split, if both have one of these names."""
        for name in names:
            if (self.images / name).is_dir() and (self.truth / name).is_dir():
                return Folders(self.images / name, self.truth / name)
        return None


@dataclass(frozen=True, slots=True)
class Listing:
    """What a data set holds.

    Attributes:
        training: The pairs to train on.
        validation: Those that the data set itself sets apart for validation; None if it does not.
        problems: What is wrong with files.
    """

    training: list[Pair]
    validation: list[Pair] | None
    problems: list[Problem]


def list_data(paths: Sequence[str | Path], truth_suffix: str | None = None) -> Listing:
    """Lists the pairs of a data set, split as the data set says.

    Those in ``train/`` and ``val/`` where both folders hold such; those that VOC's
    ``ImageSets/Segmentation/train.txt`` and ``val.txt`` name; else all for training.

    Args:
        paths: As :func:`find_folders` takes them.
        truth_suffix: As :func:`deeplab.truth.pair_names` takes it.

    Raises:
        DataError: There are no such folders, or a list cannot be read.
    """
    folders = find_folders(paths)
    part, held_out = folders.split(_TRAINING), folders.split(_VALIDATION)
    if part is not None:
        pairs, problems = find_pairs(part, truth_suffix)
        if held_out is None:
            return Listing(pairs, None, problems)
        validation, others = find_pairs(held_out, truth_suffix)
        return Listing(pairs, validation, problems + others)
    pairs, problems = find_pairs(folders, truth_suffix)
    lists = folders.images.parent / _LISTS
    augmented = ("train_aug", "trainaug") if folders.truth.name == _VOC_AUGMENTED else ()
    training = _read_list(lists, (*augmented, "train", "trainval"), pairs, problems)
    listed = _read_list(lists, ("val",), pairs, problems)
    if listed is not None:
        training = [pair for pair in training or pairs if pair not in listed]
    return Listing(pairs if training is None else training, listed, problems)


def find_folders(paths: Sequence[str | Path]) -> Folders:
    """The folders of pictures and of truth that one or two paths mean.

    Args:
        paths: A folder with ``images/`` and ``truth/`` (or ``masks/``, ``labels/``,
            ``annotations/``), with VOC's ``JPEGImages/`` and ``SegmentationClassAug/`` (or else
            ``SegmentationClass/``), or with Cityscapes' ``leftImg8bit/`` and ``gtFine/``; a folder
            that holds both kinds of files itself; or the two folders.

    Raises:
        DataError: There are no such folders.
    """
    folders = [Path(path).expanduser() for path in paths]
    for folder in folders:
        if not folder.is_dir():
            raise DataError(f"{folder} is not a folder")
    if len(folders) == 2:
        return Folders(*folders)
    if len(folders) != 1:
        raise DataError("give one folder with images/ and truth/, or the two folders themselves")
    root = folders[0]
    for images, truths in _LAYOUTS:
        for truth in truths:
            if (root / images).is_dir() and (root / truth).is_dir():
                return Folders(root / images, root / truth)
    if find_pairs(Folders(root, root))[0]:
        return Folders(root, root)
    raise DataError(
        f"{root} holds neither images/ and truth/, nor JPEGImages/ and SegmentationClass/, nor "
        "leftImg8bit/ and gtFine/; give the folder of pictures and the folder of masks"
    )


def find_pairs(
    folders: Folders, truth_suffix: str | None = None
) -> tuple[list[Pair], list[Problem]]:
    """Pairs the files of two folders, and of those below them, by their names.

    In PASCAL VOC's folders most photos have no mask, so that pictures without one count as missing
    only elsewhere.

    Returns:
        The pairs sorted by name, and a problem for every file that has no partner, or of which
        nobody can tell which one it has.
    """
    images = _files(folders.images, IMAGE_SUFFIXES, without=folders.truth)
    truths = _files(folders.truth, TRUTH_SUFFIXES, without=folders.images)
    names = pair_names(map(str, images), map(str, truths), truth_suffix)
    problems = [
        Problem(Path(of_image[0]), f"cannot be told apart from {_few([*of_image[1:], *of_truth])}")
        for of_image, of_truth in names.ambiguous
    ]
    if folders.images.name != _VOC_IMAGES:
        problems += [
            Problem(Path(name), f"has no mask in {folders.truth}")
            for name in sorted([*names.without_truth, *names.named_twice])
        ]
    problems += [
        Problem(Path(name), f"has no picture in {folders.images}") for name in names.without_image
    ]
    pairs = []
    for image, truth in names.pairs:
        name = Path(image).relative_to(folders.images).with_suffix("").as_posix()
        pairs.append(Pair(name, Path(image), Path(truth)))
    return sorted(pairs, key=lambda pair: pair.name), problems


def hold_out(pairs: Iterable[Pair], fraction: float) -> tuple[list[Pair], list[Pair]]:
    """Splits pairs by a hash of their names, so that added pairs never move others.

    Args:
        pairs: All pairs.
        fraction: Share that is held out on average, from 0 to below 1.
    """
    train: list[Pair] = []
    held_out: list[Pair] = []
    for pair in pairs:
        place = int.from_bytes(hashlib.sha256(pair.name.encode()).digest()[:8]) / 2**64
        (held_out if place < fraction else train).append(pair)
    return train, held_out


def _files(folder: Path, suffixes: tuple[str, ...], without: Path) -> Iterator[Path]:
    for file in folder.rglob("*"):
        is_hidden = any(part.startswith(".") for part in file.relative_to(folder).parts)
        is_other = (
            without != folder
            and file.is_relative_to(without)
            and not (folder.is_relative_to(without))
        )
        if file.suffix.lower() in suffixes and not is_hidden and not is_other and file.is_file():
            yield file


def _read_list(
    folder: Path, names: Sequence[str], pairs: list[Pair], problems: list[Problem]
) -> list[Pair] | None:
    """The pairs that the first of some lists names; None if there is no such list."""
    file = next((path for name in names if (path := folder / f"{name}.txt").is_file()), None)
    if file is None:
        return None
    try:
        lines = file.read_text("utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{file}: cannot be read: {error}") from error
    wanted = {line.split()[0] for line in lines if line.strip()}
    lost = sorted(wanted - {pair.name for pair in pairs})
    if lost:
        problems.append(Problem(file, f"names {len(lost)} pictures that are no pair: {_few(lost)}"))
    return [pair for pair in pairs if pair.name in wanted]


def _few(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
