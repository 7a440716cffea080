"""The end of an evaluation: every row accounted for, the report written, ``metrics.json`` last."""

from __future__ import annotations

import io
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from beam_deeplab.deeplab.labels import LabelSet
from beam_deeplab.transforms import storage
from beam_deeplab.transforms.evaluating.confusion_picture import draw_confusion
from beam_deeplab.transforms.evaluating.measures import measure
from beam_deeplab.transforms.evaluating.pairing import Pairing
from beam_deeplab.transforms.evaluating.tables import (
    classes_table,
    confusion_table,
    failures_table,
    pairs_table,
)
from beam_deeplab.transforms.evaluating.tally import Tally
from beam_deeplab.transforms.parquet.parts import parquet_bytes
from beam_deeplab.transforms.parquet.schemas import RUN_KEY
from beam_deeplab.transforms.records import Stage
from beam_deeplab.transforms.runs.commit_facts import CommitError
from beam_deeplab.transforms.runs.manifest import RunRecord

METRICS_FILE: Final = "metrics.json"
PAIRS_FILE: Final = "pairs.parquet"
SCORES_FILE: Final = "scores.parquet"
FAILURES_FILE: Final = "failures.parquet"
REPORT_FILES: Final = (
    PAIRS_FILE,
    SCORES_FILE,
    FAILURES_FILE,
    "classes.parquet",
    "confusion.parquet",
    "confusion.png",
)
"""Written in this order, before ``METRICS_FILE``: the pairs when an evaluation begins, together
with the failures that are known then."""

FORMAT_VERSION: Final = 1


@dataclass(frozen=True, eq=False)
class ScoredRows:
    """What some pairs came to: a row for each that was scored, or was not, and the pixel counts."""

    scores: pa.Table
    failures: pa.Table
    tally: Tally

    def __add__(self, other: ScoredRows) -> ScoredRows:
        """Both together."""
        return ScoredRows(
            pa.concat_tables([self.scores, other.scores]),
            pa.concat_tables([self.failures, other.failures]),
            self.tally + other.tally,
        )


def begin_evaluation(output: str, pairing: Pairing) -> None:
    """Writes the list of pairs, and what is known to have none; OSError if it cannot."""
    for name, table in (
        (PAIRS_FILE, pairs_table(pairing.pairs)),
        (FAILURES_FILE, failures_table(pairing.failures)),
    ):
        storage.write_atomically(storage.join(output, name), parquet_bytes(table))


def commit_evaluation(output: str, run: RunRecord, scored: ScoredRows) -> dict[str, Any]:
    """Reconciles what was scored with what was named, and writes the report.

    Running it again writes the same report again, but for the time. What was named is counted in
    the run's ``settings["named"]``.

    Returns:
        What ``metrics.json`` holds.

    Raises:
        CommitError: Rows are missing, twice, or do not add up; there is no ``metrics.json`` then.
    """
    begun = pq.read_table(io.BytesIO(storage.read(storage.join(output, FAILURES_FILE))))
    unpaired = begun.filter(pc.equal(begun.column("stage"), str(Stage.PAIR)))
    _reconcile(run.settings["named"]["pairs"], scored)
    labels = LabelSet.from_dict(run.model["labels"])
    facts = {"options": dict(run.options), "model": dict(run.model), "versions": dict(run.versions)}
    failures = pa.concat_tables([unpaired.cast(scored.failures.schema), scored.failures])
    tables = (
        # Nulls, of images that hold only ignored pixels, come last.
        scored.scores.sort_by([("miou", "ascending"), ("image_uri", "ascending")]),
        failures.sort_by([("image_uri", "ascending"), ("truth_uri", "ascending")]),
        classes_table(scored.tally, labels),
        confusion_table(scored.tally, labels),
    )
    contents = [parquet_bytes(_with_facts(table, facts)) for table in tables]
    contents.append(draw_confusion(scored.tally, labels))
    for name, content in zip(REPORT_FILES[1:], contents, strict=True):
        storage.write_atomically(storage.join(output, name), content)
    metrics = _describe(run, scored.tally, labels, Counter(failures.column("code").to_pylist()))
    text = json.dumps(metrics, indent=2) + "\n"
    storage.write_atomically(storage.join(output, METRICS_FILE), text.encode())
    return metrics


def _with_facts(table: pa.Table, facts: Mapping[str, Any]) -> pa.Table:
    return table.replace_schema_metadata({RUN_KEY: json.dumps(facts, sort_keys=True)})


def _reconcile(pairs: int, scored: ScoredRows) -> None:
    """Proves that every pair is in one row, and every pixel counted."""
    scores, failures, tally = scored.scores, scored.failures, scored.tally
    for what, found, expected in (
        ("rows of pairs", scores.num_rows + failures.num_rows, pairs),
        ("images in the tally", tally.images, scores.num_rows),
        ("pixels in the scores", _sum(scores, "pixels"), int(tally.confusion.sum())),
        ("ignored pixels in the scores", _sum(scores, "ignored_pixels"), tally.ignored),
        ("correct pixels", _sum(scores, "correct_pixels"), int(np.trace(tally.confusion))),
    ):
        if found != expected:
            raise CommitError(f"{found} {what}, not {expected}; evaluate again")
    images = Counter(
        uri for table in (scores, failures) for uri in table.column("image_uri").to_pylist()
    )
    twice = sorted(uri for uri, count in images.items() if count > 1)
    if twice:
        raise CommitError(f"images in more than one row: {', '.join(twice[:5])}; evaluate again")


def _sum(table: pa.Table, column: str) -> int:
    return pc.sum(table.column(column)).as_py() or 0


def _describe(
    run: RunRecord, tally: Tally, labels: LabelSet, failures_by_code: Mapping[str, int]
) -> dict[str, Any]:
    measures = measure(tally)
    committed = datetime.now(UTC)
    return {
        "format_version": FORMAT_VERSION,
        "run_id": run.run_id,
        "miou": measures.miou,
        "pixel_accuracy": measures.pixel_accuracy,
        "mean_accuracy": measures.mean_accuracy,
        "frequency_weighted_iou": measures.frequency_weighted_iou,
        "boundary_iou": measures.mean_boundary_iou,
        "iou": dict(zip(labels.names, measures.iou, strict=True)),
        "boundary_iou_by_class": dict(zip(labels.names, measures.boundary_iou, strict=True)),
        "images": tally.images,
        "failures": sum(failures_by_code.values()),
        "failures_by_code": dict(sorted(failures_by_code.items())),
        "pixels": int(tally.confusion.sum()),
        "ignored_pixels": tally.ignored,
        "classes_without_truth": [
            name
            for name, pixels in zip(labels.names, tally.confusion.sum(axis=1), strict=True)
            if pixels == 0
        ],
        "named": run.settings["named"],
        "options": dict(run.options),
        "settings": {key: value for key, value in run.settings.items() if key != "named"},
        "model": dict(run.model),
        "versions": dict(run.versions),
        "started": run.started,
        "committed": committed.isoformat(timespec="milliseconds"),
        "seconds": round((committed - datetime.fromisoformat(run.started)).total_seconds(), 3),
    }
