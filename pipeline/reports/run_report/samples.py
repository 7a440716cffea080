"""Which pictures a report shows: chosen by the tables, the same each time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from beam_deeplab.pipeline.reports.run_report.drift import Drift
from beam_deeplab.pipeline.reports.run_report.figures import RunFigures
from beam_deeplab.pipeline.reports.run_report.tables import RunTables
from beam_deeplab.transforms.runs.tables.images import DONE

LEAST_SURE: Final = 12
FURTHEST: Final = 12
A_CLASS: Final = 2
CLASSES: Final = 24

_MEANINGFUL: Final = 0.01
"""The fraction of a picture from which on it is a picture of a class."""

_KEY: Final = 1 + 32
"""Digits by which pictures of a class are ordered: whether it takes little of it, then a hash."""


@dataclass(frozen=True)
class Sample:
    """Pictures that are shown together.

    Attributes:
        name: A word for the section.
        title: Its headline.
        about: How they were chosen.
        images: URI, and what is said of the picture: a number with its words.
    """

    name: str
    title: str
    about: str
    images: tuple[tuple[str, str], ...]


def choose_samples(
    tables: RunTables, figures: RunFigures, drift: Drift | None, scores: pa.Table | None
) -> tuple[Sample, ...]:
    """Chooses the pictures; sections without one are left out.

    Args:
        tables: The run's.
        figures: Of the run.
        drift: Against another run; None if there is none.
        scores: ``image_uri`` and ``major_miou`` of an evaluation; None if there is none.
    """
    samples = [
        *([_furthest(scores)] if scores else []),
        *([_most_changed(drift)] if drift else []),
        _least_sure(tables),
        _by_class(tables, figures),
    ]
    return tuple(each for each in samples if each.images)


def _furthest(scores: pa.Table) -> Sample:
    ranked = scores.filter(pc.is_valid(scores.column("major_miou"))).sort_by(
        [("major_miou", "ascending"), ("image_uri", "ascending")]
    )
    images = tuple(
        (row["image_uri"], f"mIoU {row['major_miou']:.3f}")
        for row in ranked.slice(0, FURTHEST).to_pylist()
    )
    about = (
        "Scored images, the lowest mIoU first, over the classes that take at least 1% of the "
        "picture in truth or mask: a few stray pixels make none of the worst."
    )
    return Sample("furthest", "Furthest from the truth", about, images)


def _most_changed(drift: Drift) -> Sample:
    images = [(each.image_uri, f"{each.change:.1%} changed") for each in drift.most_changed]
    about = (
        f"By the share of the picture that has changed its class since {drift.against}; the mask "
        "before is in the colours of that run's model."
    )
    return Sample("changed", "Most changed", about, tuple(images))


def _least_sure(tables: RunTables) -> Sample:
    rows = tables.rows(
        f"select image_uri, confidence from images where status = '{DONE}' "
        "and confidence is not null "  # as it is where no pixel has a class
        f"order by confidence, image_uri limit {LEAST_SURE}"
    )
    images = tuple((uri, f"confidence {confidence:.3f}") for uri, confidence in rows)
    about = "The pictures of which the network was least sure, over all of their pixels."
    return Sample("least-sure", "Least sure", about, images)


def _by_class(tables: RunTables, figures: RunFigures) -> Sample:
    """Some pictures of each class: those of the smallest hash, of which the class takes enough."""
    chosen = dict(
        tables.rows(
            f"select class_id, min((fraction < {_MEANINGFUL})::integer::varchar || "
            f"md5(class_name || image_uri) || image_uri, {A_CLASS}) "
            "from class_areas group by class_id"
        )
    )
    seen = sorted(figures.classes, key=lambda each: -each.area.pictures)
    images = [
        (key[_KEY:], each.name) for each in seen[:CLASSES] for key in chosen.get(each.class_id, ())
    ]
    about = (
        f"{A_CLASS} pictures of each class, of those in most pictures {CLASSES} at most: a fixed "
        "sample, drawn by a hash among the images of which the class takes 1% or more."
    )
    return Sample("by-class", "By class", about, tuple(images))
