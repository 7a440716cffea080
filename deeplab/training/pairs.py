"""Pictures and their truth masks on disk, paired by stem."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff"})
TRUTH_SUFFIXES = frozenset({".png"})

_LAYOUTS = (
    ("images", ("truth",)),
    ("JPEGImages", ("SegmentationClassAug", "SegmentationClass")),
)
"""Folders of pictures with the folders that their truth may lie in: ours, and PASCAL VOC's."""


class DataError(ValueError):
    """Training data that cannot be had from its folders; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Pair:
    """One picture with its truth.

    Attributes:
        stem: The name that the two files share, without their suffixes.
        image: The picture's file.
        truth: The mask's file, an indexed or grey PNG whose pixels are class ids.
    """

    stem: str
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


def find_folders(paths: Sequence[str | Path]) -> tuple[Path, Path]:
    """The folders of pictures and of truth that one or two paths mean.

    Args:
        paths: A folder with ``images/`` and ``truth/``, or with VOC's ``JPEGImages/`` and
            ``SegmentationClassAug/`` (or else ``SegmentationClass/``); or the two folders.

    Returns:
        The folder of pictures and that of masks.

    Raises:
        DataError: There are no such folders.
    """
    folders = [Path(path).expanduser() for path in paths]
    for folder in folders:
        if not folder.is_dir():
            raise DataError(f"{folder} is not a folder")
    if len(folders) == 2:
        return folders[0], folders[1]
    if len(folders) != 1:
        raise DataError("give one folder with images/ and truth/, or the two folders themselves")
    root = folders[0]
    for images, truths in _LAYOUTS:
        for truth in truths:
            if (root / images).is_dir() and (root / truth).is_dir():
                return root / images, root / truth
    raise DataError(
        f"{root} holds neither images/ and truth/, nor JPEGImages/ and SegmentationClass/; "
        "give the folder of pictures and the folder of masks"
    )


def find_pairs(images: Path, truth: Path) -> tuple[list[Pair], list[Problem]]:
    """Pairs the files of two folders by stem.

    In PASCAL VOC's folders most photos have no mask, so that pictures without one count as
    missing only elsewhere.

    Args:
        images: The folder of pictures.
        truth: The folder of masks.

    Returns:
        The pairs sorted by stem, and a problem for every file that has no partner, or several.
    """
    pictures = _by_stem(images, IMAGE_SUFFIXES)
    masks = _by_stem(truth, TRUTH_SUFFIXES)
    problems = []
    for files in (*pictures.values(), *masks.values()):
        if len(files) > 1:
            others = ", ".join(file.name for file in files[1:])
            problems.append(Problem(files[0], f"has the same stem as {others}"))
    if images.name != _LAYOUTS[1][0]:
        problems += [
            Problem(pictures[stem][0], f"has no mask {stem}.png in {truth}")
            for stem in sorted(pictures.keys() - masks.keys())
        ]
    problems += [
        Problem(masks[stem][0], f"has no picture {stem}.* in {images}")
        for stem in sorted(masks.keys() - pictures.keys())
    ]
    pairs = [
        Pair(stem, pictures[stem][0], masks[stem][0])
        for stem in sorted(pictures.keys() & masks.keys())
    ]
    return pairs, problems


def hold_out(pairs: Iterable[Pair], fraction: float) -> tuple[list[Pair], list[Pair]]:
    """Splits pairs by a hash of their stems, so that added pairs never move others.

    Args:
        pairs: All pairs.
        fraction: Share that is held out on average, from 0 to below 1.

    Returns:
        The pairs to train on, and those to validate with.
    """
    train: list[Pair] = []
    held_out: list[Pair] = []
    for pair in pairs:
        place = int.from_bytes(hashlib.sha256(pair.stem.encode()).digest()[:8]) / 2**64
        (held_out if place < fraction else train).append(pair)
    return train, held_out


def _by_stem(folder: Path, suffixes: frozenset[str]) -> Mapping[str, list[Path]]:
    found: dict[str, list[Path]] = {}
    for file in sorted(folder.iterdir()):
        if file.suffix.lower() in suffixes and not file.name.startswith(".") and file.is_file():
            found.setdefault(file.stem, []).append(file)
    return found
