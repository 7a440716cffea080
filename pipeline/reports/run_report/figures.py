"""What a run came to, as plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from beam_deeplab.pipeline.reports.run_report.distributions import Distribution

BACKGROUND: Final = "background"
"""The genre of what is nothing in particular."""

SCALE_STEPS: Final = (1.0, 0.5, 0.25, 0.125, 0.0625)
"""Scales at which a bin ends: not reduced, to half a side and more, to a quarter and more ..."""


@dataclass(frozen=True)
class FailedImage:
    """An image without a mask, and why."""

    image_uri: str
    stage: str
    message: str


@dataclass(frozen=True)
class FailureCodeFigures:
    """The images that failed with one code, and the first of them."""

    code: str
    images: int
    examples: tuple[FailedImage, ...]


@dataclass(frozen=True)
class AreaFigures:
    """How much of the pictures a class or a genre takes; all but the count are 0 to 1.

    Attributes:
        pictures: In how many it is.
        share_of_pixels: Of all pixels of all pictures: large ones weigh more.
        mean_over_all_pictures: Its mean fraction, 0 where it is not: all pictures weigh the same.
        mean_where_present: Its mean fraction in the pictures that show it; None if none does.
    """

    pictures: int
    share_of_pixels: float
    mean_over_all_pictures: float
    mean_where_present: float | None


@dataclass(frozen=True)
class ClassFigures:
    """One class of the model, also if no picture shows it.

    Attributes:
        class_id: Its id in the masks.
        name: What it is called.
        genre: What it is rolled up into.
        color: Its colour in the masks, ``#rrggbb``.
        area: How much it takes.
        pixels: In the whole run.
        coverage: Its fractions in the pictures that show it.
        confidence: How sure the network was of its pixels, in those pictures.
        mean_confidence: The same over all its pixels; None if there are none.
    """

    class_id: int
    name: str
    genre: str
    color: str
    area: AreaFigures
    pixels: int
    coverage: Distribution
    confidence: Distribution
    mean_confidence: float | None


@dataclass(frozen=True)
class GenreFigures:
    """All classes of a genre, as one."""

    genre: str
    classes: tuple[str, ...]
    area: AreaFigures


@dataclass(frozen=True)
class CoOccurrence:
    """Pictures that show two classes: those in most pictures, but for the background.

    Attributes:
        classes: Their names.
        pictures: Row and column in the order of ``classes``; on the diagonal those with one.
    """

    classes: tuple[str, ...]
    pictures: tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class ScaleFigures:
    """How far pictures were reduced for the network.

    Attributes:
        pictures: By the smallest scale of each bin, the first being those that were not reduced,
            the last those below all of :data:`SCALE_STEPS`.
        least: The smallest scale; None without a picture.
        barely_seen: Pictures of which little was left.
    """

    pictures: tuple[int, ...]
    least: float | None
    barely_seen: int


@dataclass(frozen=True)
class RunFigures:
    """Everything that the report says of a run in numbers.

    Attributes:
        output: The run's folder.
        run: What the manifest says: run id, model, engine, times, versions.
        images: Rows of the table ``images``.
        masks: Those that have one.
        truncated: Of those, whose file was cut short.
        ignored: The mean share of a picture whose pixels have no class.
        failures: By code, the most frequent first.
        classes: By class id.
        genres: Those that the model has a class of, the largest first.
        confidence: Of the pictures.
        coverage: The share of each picture that is not background; None where the model has no
            class for that, and every pixel is of something.
        co_occurrence: Which classes are seen together.
        scale: How far pictures were reduced.
    """

    output: str
    run: Mapping[str, Any]
    images: int
    masks: int
    truncated: int
    ignored: float
    failures: tuple[FailureCodeFigures, ...]
    classes: tuple[ClassFigures, ...]
    genres: tuple[GenreFigures, ...]
    confidence: Distribution
    coverage: Distribution | None
    co_occurrence: CoOccurrence
    scale: ScaleFigures
