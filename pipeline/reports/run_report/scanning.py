"""A run's figures from its tables: a few scans, without a look at any picture."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations_with_replacement, pairwise
from typing import Any, Final

from beam_deeplab.pipeline.reports.run_report.distributions import Distribution, fine_bin
from beam_deeplab.pipeline.reports.run_report.figures import (
    BACKGROUND,
    SCALE_STEPS,
    AreaFigures,
    ClassFigures,
    CoOccurrence,
    FailedImage,
    FailureCodeFigures,
    GenreFigures,
    RunFigures,
    ScaleFigures,
)
from beam_deeplab.pipeline.reports.run_report.tables import RunTables
from beam_deeplab.transforms.runs.commit_facts import LITTLE_LEFT
from beam_deeplab.transforms.runs.manifest import Manifest
from beam_deeplab.transforms.runs.segmented import list_failures
from beam_deeplab.transforms.runs.tables.images import DONE, FAILED

EXAMPLES: Final = 5
"""Images that are named of each failure code."""

_COMPANIONS: Final = 12
"""Classes whose co-occurrence is counted: those in most pictures."""

_DONE: Final = f"images where status = '{DONE}'"


def compute_figures(tables: RunTables) -> RunFigures:
    """Computes the figures: a few scans of the tables, whose memory does not grow with the run.

    Raises:
        OSError: A part with failures cannot be read.
        duckdb.Error: A table is not what a run writes.
    """
    failures = dict(
        tables.rows(f"select code, count(*) from images where status = '{FAILED}' group by code")
    )
    ((masks, truncated),) = tables.rows(
        f"select count(*), count(*) filter (where truncated) from {_DONE}"
    )
    classes = _classes(tables, masks)
    return RunFigures(
        output=tables.output,
        run=_describe(tables.manifest, tables.labels.name),
        images=masks + sum(failures.values()),
        masks=masks,
        truncated=truncated,
        ignored=_rest(each.area.mean_over_all_pictures for each in classes) if masks else 0.0,
        failures=_with_examples(tables.output, failures),
        classes=classes,
        genres=_genres(tables, classes, masks),
        confidence=_spread(tables, "confidence"),
        coverage=_coverage(tables, classes),
        co_occurrence=_co_occurrence(tables, classes),
        scale=_scale(tables),
    )


def _rest(shares: Iterable[float]) -> float:
    """What is missing of 1, but for rounding."""
    return max(0.0, round(1 - math.fsum(shares), 9))


def _describe(manifest: Manifest, labels: str) -> dict[str, Any]:
    options = {name: manifest.options.get(name) for name in ("engine", "precision", "canvas")}
    return {
        "run_id": manifest.run_id,
        "model": manifest.model.get("reference", ""),
        "digest": manifest.model.get("digest", ""),
        "labels": labels,
        **options,
        "started": manifest.started,
        "committed": manifest.committed,
        "seconds": manifest.seconds,
        "versions": dict(manifest.versions),
    }


def _with_examples(output: str, failures: Mapping[str, int]) -> tuple[FailureCodeFigures, ...]:
    """The codes by frequency, with the first images of each; reads no more parts than it must."""
    missing = {code: min(EXAMPLES, count) for code, count in failures.items()}
    examples: dict[str, list[FailedImage]] = {code: [] for code in failures}
    if missing:
        for each in list_failures(output):
            found = examples.get(each.code, [])
            if len(found) < missing.get(each.code, 0):
                found.append(FailedImage(each.ref.uri, str(each.stage), each.message))
            if all(len(examples[code]) == count for code, count in missing.items()):
                break
    return tuple(
        FailureCodeFigures(code, count, tuple(examples[code]))
        for code, count in sorted(failures.items(), key=lambda item: (-item[1], item[0]))
    )


def _classes(tables: RunTables, masks: int) -> tuple[ClassFigures, ...]:
    labels = tables.labels
    sums = {
        label: others
        for label, *others in tables.rows(
            "select class_id, count(*), sum(pixels)::bigint, sum(fraction), "
            "sum(mean_confidence * pixels) / sum(pixels) from class_areas group by class_id"
        )
    }
    ((pixels,),) = tables.rows(f"select sum(width::bigint * height)::bigint from {_DONE}")
    coverage, confidence = (
        _fine_by_class(tables, name) for name in ("fraction", "mean_confidence")
    )
    classes = []
    for label, name in enumerate(labels.names):
        pictures, own_pixels, fractions, mean_confidence = sums.get(label, (0, 0, 0.0, None))
        classes.append(
            ClassFigures(
                class_id=label,
                name=name,
                genre=labels.genres[label],
                color="#{:02x}{:02x}{:02x}".format(*labels.palette[label]),
                area=_area(pictures, own_pixels / pixels if pixels else 0.0, fractions, masks),
                pixels=own_pixels,
                coverage=Distribution.of(coverage[label]),
                confidence=Distribution.of(confidence[label]),
                mean_confidence=mean_confidence,
            )
        )
    return tuple(classes)


def _area(pictures: int, share: float, fractions: float, masks: int) -> AreaFigures:
    return AreaFigures(
        pictures,
        share,
        fractions / masks if masks else 0.0,
        fractions / pictures if pictures else None,
    )


def _fine_by_class(tables: RunTables, column: str) -> dict[int, dict[int, int]]:
    fine: dict[int, dict[int, int]] = defaultdict(dict)
    for label, place, count in tables.rows(
        f"select class_id, {fine_bin(column)}, count(*) from class_areas group by all"
    ):
        fine[label][place] = count
    return fine


def _genres(
    tables: RunTables, classes: Sequence[ClassFigures], masks: int
) -> tuple[GenreFigures, ...]:
    members: dict[str, list[ClassFigures]] = defaultdict(list)
    for each in classes:
        members[each.genre].append(each)
    columns = tables.fraction_columns()
    shown = [_any(columns[each.class_id] for each in group) for group in members.values()]
    (pictures,) = tables.rows(f"select {_counts(shown)} from {_DONE}")
    genres = [
        GenreFigures(
            genre,
            tuple(each.name for each in group),
            _area(
                count,
                sum(each.area.share_of_pixels for each in group),
                masks * sum(each.area.mean_over_all_pictures for each in group),
                masks,
            ),
        )
        for (genre, group), count in zip(members.items(), pictures, strict=True)
    ]
    return tuple(sorted(genres, key=lambda each: -each.area.mean_over_all_pictures))


def _any(columns: Iterable[str]) -> str:
    return "(" + " or ".join(f"{column} > 0" for column in columns) + ")"


def _counts(conditions: Iterable[str]) -> str:
    return ", ".join(f"count(*) filter (where {condition})" for condition in conditions)


def _spread(tables: RunTables, value: str) -> Distribution:
    known = f"{_DONE} and {value} is not null"
    return Distribution.of(
        dict(tables.rows(f"select {fine_bin(value)}, count(*) from {known} group by all"))
    )


def _coverage(tables: RunTables, classes: Sequence[ClassFigures]) -> Distribution | None:
    columns = tables.fraction_columns()
    things = [columns[each.class_id] for each in classes if each.genre != BACKGROUND]
    is_partial = 0 < len(things) < len(classes)
    return _spread(tables, f"({' + '.join(things)})") if is_partial else None


def _co_occurrence(tables: RunTables, classes: Sequence[ClassFigures]) -> CoOccurrence:
    seen = [each for each in classes if each.area.pictures and each.genre != BACKGROUND]
    seen = sorted(seen, key=lambda each: -each.area.pictures)[:_COMPANIONS]
    columns = tables.fraction_columns()
    shown = [f"{columns[each.class_id]} > 0" for each in seen]
    matrix = [[0] * len(seen) for _ in seen]
    pairs = list(combinations_with_replacement(range(len(seen)), 2))
    if pairs:
        both = (f"{shown[row]} and {shown[column]}" for row, column in pairs)
        (counts,) = tables.rows(f"select {_counts(both)} from {_DONE}")
        for (row, column), count in zip(pairs, counts, strict=True):
            matrix[row][column] = matrix[column][row] = count
    return CoOccurrence(tuple(each.name for each in seen), tuple(map(tuple, matrix)))


def _scale(tables: RunTables) -> ScaleFigures:
    conditions = [f"scale >= {step}" for step in SCALE_STEPS]
    left = "least(width, height)"
    barely_seen = f"{left} * scale < {LITTLE_LEFT} and {left} >= {LITTLE_LEFT}"
    ((least, barely, *reaching),) = tables.rows(
        f"select min(scale), {_counts([barely_seen, *conditions])} from {_DONE}"
    )
    ((masks,),) = tables.rows(f"select count(*) from {_DONE}")
    bins = [after - before for before, after in pairwise([0, *reaching, masks])]
    return ScaleFigures(tuple(bins), least, barely)
