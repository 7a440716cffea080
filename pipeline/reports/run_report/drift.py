"""What is different between two runs, in figures: over all pictures, and picture by picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from beam_deeplab.pipeline.reports.run_report.distributions import Distribution, fine_bin
from beam_deeplab.pipeline.reports.run_report.figures import RunFigures
from beam_deeplab.pipeline.reports.run_report.tables import RunTables
from beam_deeplab.transforms.runs.tables.images import DONE, FAILED

MOST_CHANGED: Final = 12
"""Images that are named: those of which most has changed."""


@dataclass(frozen=True)
class ClassDrift:
    """One class in both runs, by its name; a run whose model does not know it has None.

    Attributes:
        name: Of the class.
        before: Its mean fraction over all pictures of the other run.
        after: The same of this run.
        change: By how much it has grown; what a model does not know is 0.
        pictures_before: The share of pictures that show it in the other run.
        pictures_after: The same of this run.
    """

    name: str
    before: float | None
    after: float | None
    change: float
    pictures_before: float | None
    pictures_after: float | None


@dataclass(frozen=True)
class ChangedImage:
    """An image in both runs.

    Attributes:
        image_uri: The image.
        change: The share of the picture that belongs to other classes, as far as areas tell: half
            of the sum over classes of the differences of its fractions.
    """

    image_uri: str
    change: float


@dataclass(frozen=True)
class Drift:
    """This run against another one.

    Attributes:
        against: The other run's folder.
        against_model: Its model.
        same_options: Whether both were made with all the same options that decide results.
        images_before: Images of the other run.
        images_after: Images of this one.
        masks_before: Those of the other run that have a mask.
        masks_after: Those of this run.
        common: Images that have a mask in both.
        other_version: Of those, images that have changed in between.
        newly_failed: Images that failed in this run and have a mask in the other one.
        newly_done: The other way round.
        classes: By how much they changed, the most first.
        confidence_before: Of the other run's pictures.
        confidence_after: Of this run's.
        change: Of each common image, as in :class:`ChangedImage`.
        most_changed: The common images that changed most, those that did not left out.
    """

    against: str
    against_model: str
    same_options: bool
    images_before: int
    images_after: int
    masks_before: int
    masks_after: int
    common: int
    other_version: int
    newly_failed: int
    newly_done: int
    classes: tuple[ClassDrift, ...]
    confidence_before: Distribution
    confidence_after: Distribution
    change: Distribution
    most_changed: tuple[ChangedImage, ...]


def compute_drift(
    tables: RunTables, figures: RunFigures, other_tables: RunTables, other: RunFigures
) -> Drift:
    """Computes what differs; both runs' tables are in one connection.

    Raises:
        duckdb.Error: A table is not what a run writes.
    """
    now, before = tables.schema, other_tables.schema
    paired = (
        f"{now}.images as now join {before}.images as before using (image_uri) "
        f"where now.status = '{{}}' and before.status = '{{}}'"
    )
    ((common, other_version),) = tables.rows(
        "select count(*), count(*) filter (where now.image_version <> before.image_version) from "
        + paired.format(DONE, DONE)
    )
    ((newly_failed,),) = tables.rows("select count(*) from " + paired.format(FAILED, DONE))
    ((newly_done,),) = tables.rows("select count(*) from " + paired.format(DONE, FAILED))
    # Numbers stand for the URIs and names, of which there are millions.
    tables.database.execute(
        f"""create temp table changes as
        with both_done as (
            select hash(image_uri) as image from {paired.format(DONE, DONE)}
        ), areas as (
            select hash(image_uri) as image, hash(class_name) as class, fraction
            from {now}.class_areas
            union all
            select hash(image_uri), hash(class_name), -fraction from {before}.class_areas
        ), differences as (
            select image, abs(sum(fraction)) as difference from areas
            where image in (select image from both_done) group by image, class
        )
        select image, sum(difference) / 2 as change from differences group by image"""
    )
    changed = tables.rows(
        f"""select image_uri, change from {now}.images join changes on hash(image_uri) = image
        where change > 1e-9 order by change desc, image_uri limit {MOST_CHANGED}"""
    )
    change = tables.rows(f"select {fine_bin('change')}, count(*) from changes group by all")
    return Drift(
        against=other.output,
        against_model=str(other.run["model"]),
        same_options=tables.manifest.fingerprint == other_tables.manifest.fingerprint,
        images_before=other.images,
        images_after=figures.images,
        masks_before=other.masks,
        masks_after=figures.masks,
        common=common,
        other_version=other_version,
        newly_failed=newly_failed,
        newly_done=newly_done,
        classes=_class_drift(figures, other),
        confidence_before=other.confidence,
        confidence_after=figures.confidence,
        change=Distribution.of(dict(change)),
        most_changed=tuple(ChangedImage(*each) for each in changed),
    )


def _class_drift(figures: RunFigures, other: RunFigures) -> tuple[ClassDrift, ...]:
    now, before = ({each.name: each.area for each in run.classes} for run in (figures, other))
    drift = []
    for name in dict.fromkeys([*now, *before]):
        old, new = before.get(name), now.get(name)
        mean_before = old.mean_over_all_pictures if old else None
        mean_after = new.mean_over_all_pictures if new else None
        drift.append(
            ClassDrift(
                name,
                mean_before,
                mean_after,
                (mean_after or 0.0) - (mean_before or 0.0),
                old.pictures / max(1, other.masks) if old else None,
                new.pictures / max(1, figures.masks) if new else None,
            )
        )
    return tuple(sorted(drift, key=lambda each: (-abs(each.change), each.name)))
