"""Decoded pairs: checked once, kept in memory where they fit, else decoded anew when asked for."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from beam_deeplab.deeplab.training.pairs import DataError, Pair, Problem
from beam_deeplab.deeplab.truth import TruthError, TruthRule


class PictureError(ValueError):
    """A picture that cannot be decoded; the message says why."""


@dataclass(frozen=True, slots=True)
class Picture:
    """An upright picture.

    Attributes:
        pixels: uint8 RGB of shape [rows, columns, 3], reduced if that was asked for.
        height: Of the upright original, in pixels.
        width: Likewise.
    """

    pixels: NDArray[np.uint8]
    height: int
    width: int


ReadPicture: TypeAlias = Callable[[Path, tuple[int, int] | None], Picture]
"""Decodes a file, reduced to fit a (height, width) unless that is None; raises PictureError."""


@dataclass(frozen=True, slots=True)
class Sample:
    """A picture and its truth, of one size.

    Attributes:
        image: uint8 RGB of shape [h, w, 3].
        truth: uint8 class ids of shape [h, w], 255 for what is ignored.
    """

    image: NDArray[np.uint8]
    truth: NDArray[np.uint8]

    @property
    def nbytes(self) -> int:
        """Bytes of both."""
        return self.image.nbytes + self.truth.nbytes


class Samples(Protocol):
    """Pairs by number."""

    def __len__(self) -> int:
        """How many there are."""

    def __getitem__(self, index: int) -> Sample:
        """One of them, decoded."""


@dataclass(frozen=True, slots=True)
class SampleReader:
    """Reads pairs.

    Attributes:
        read_picture: Decodes pictures.
        canvas: (height, width) that larger pairs are reduced to fit, as ``segment`` does; None
            to keep them as they are.
        rule: How truth files are understood.
    """

    read_picture: ReadPicture
    canvas: tuple[int, int] | None
    rule: TruthRule

    def read(self, pair: Pair) -> Sample | Problem:
        """Reads one pair; a problem if the picture cannot be decoded, or is not the mask's."""
        try:
            return self._read(pair)
        except PictureError as error:
            return Problem(pair.image, str(error))
        except TruthError as error:
            return Problem(pair.truth, str(error))

    def _read(self, pair: Pair) -> Sample:
        picture = self.read_picture(pair.image, self.canvas)
        try:
            truth = self.rule.read(pair.truth.read_bytes(), str(pair.truth))
        except OSError as error:
            raise TruthError(f"cannot be read: {error.strerror}") from error
        if truth.shape != (picture.height, picture.width):
            raise TruthError(
                f"is {truth.shape[1]} x {truth.shape[0]} pixels, its picture "
                f"{picture.width} x {picture.height}"
            )
        return Sample(picture.pixels, reduce_truth(truth, *picture.pixels.shape[:2]))


def reduce_truth(truth: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    """Samples a mask at the pixel centres of its reduced picture, the nearest id each.

    Args:
        truth: Ids [rows, columns].
        height: Of the reduced picture and of the result, at most ``rows``.
        width: Likewise.
    """
    rows = (2 * np.arange(height) + 1) * truth.shape[0] // (2 * height)
    columns = (2 * np.arange(width) + 1) * truth.shape[1] // (2 * width)
    return np.ascontiguousarray(truth[rows[:, None], columns])


@dataclass(frozen=True, slots=True)
class FileSamples:
    """Pairs that are decoded whenever they are asked for."""

    pairs: Sequence[Pair]
    reader: SampleReader

    def __len__(self) -> int:
        """How many there are."""
        return len(self.pairs)

    def __getitem__(self, index: int) -> Sample:
        """Decodes one of them.

        Raises:
            DataError: It was changed since it was looked at.
        """
        found = self.reader.read(self.pairs[index])
        if isinstance(found, Problem):
            raise DataError(str(found))
        return found


@dataclass(frozen=True, slots=True)
class LoadedSamples:
    """What came of looking at every pair.

    Attributes:
        samples: The pairs, in memory if they fit.
        class_pixels: int64 of shape [classes]: pixels of each class in the truth, as reduced.
        problems: What is wrong with pairs, in their order.
        cached_bytes: Memory that the decoded pairs take; 0 if they are not kept.
    """

    samples: Samples
    class_pixels: NDArray[np.int64]
    problems: tuple[Problem, ...]
    cached_bytes: int


def load_samples(
    pairs: Sequence[Pair],
    reader: SampleReader,
    cache_bytes: int,
    seen: Callable[[int], None] = lambda _: None,
) -> LoadedSamples:
    """Decodes every pair, so that whatever is wrong is known before the first step.

    Where decoded pairs come to more than ``cache_bytes``, none are kept. ``seen`` is told how many
    pairs were looked at since it was called last.
    """
    classes = len(reader.rule.labels)
    kept: list[Sample] | None = []
    kept_bytes = 0
    class_pixels = np.zeros(classes, np.int64)
    problems: list[Problem] = []
    for outcome in _read_all(pairs, reader):
        seen(1)
        if isinstance(outcome, Problem):
            problems.append(outcome)
            continue
        class_pixels += np.bincount(outcome.truth.ravel(), minlength=256)[:classes]
        kept_bytes += outcome.nbytes
        if kept is not None and kept_bytes <= cache_bytes:
            kept.append(outcome)
        else:
            kept = None
    if kept is None:
        return LoadedSamples(FileSamples(pairs, reader), class_pixels, tuple(problems), 0)
    return LoadedSamples(kept, class_pixels, tuple(problems), kept_bytes)


def _read_all(pairs: Iterable[Pair], reader: SampleReader) -> Iterator[Sample | Problem]:
    threads = os.cpu_count() or 1
    with ThreadPoolExecutor(threads) as pool:
        # A few at a time, since what is decoded and not yet taken stays in memory.
        window = []
        for pair in pairs:
            window.append(pool.submit(reader.read, pair))
            if len(window) > 4 * threads:
                yield window.pop(0).result()
        for future in window:
            yield future.result()
