"""The end of an evaluation: every row accounted for, the report written, ``metrics.json`` last."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final

import apache_beam as beam
import pyarrow as pa
import pyarrow.compute as pc

from beam_deeplab.deeplab.labels import LabelSet
from beam_deeplab.transforms import storage
from beam_deeplab.transforms.evaluating.confusion_picture import draw_confusion
from beam_deeplab.transforms.evaluating.measures import measure
from beam_deeplab.transforms.evaluating.planning import PairSummary
from beam_deeplab.transforms.evaluating.report_tables import classes_table, confusion_table
from beam_deeplab.transforms.evaluating.score_parts import (
    FAILURES_SCHEMA,
    FOLDER,
    SCORES,
    SCORES_SCHEMA,
    ScoredShard,
    read_score_part,
)
from beam_deeplab.transforms.evaluating.tally import Tally
from beam_deeplab.transforms.parquet.parts import parquet_bytes
from beam_deeplab.transforms.parquet.schemas import FAILURES, RUN_KEY
from beam_deeplab.transforms.runs import attempts
from beam_deeplab.transforms.runs.committing import CommitError
from beam_deeplab.transforms.runs.inventory import PART_NAME
from beam_deeplab.transforms.runs.manifest import RunRecord
from beam_deeplab.transforms.storage.local import is_temporary_name

METRICS_FILE: Final = "metrics.json"
REPORT_FILES: Final = (
    "scores.parquet",
    "failures.parquet",
    "classes.parquet",
    "confusion.parquet",
    "confusion.png",
)
"""Written in this order, before :data:`METRICS_FILE`."""

FORMAT_VERSION: Final = 1
_READERS: Final = 16


def commit_evaluation(
    output: str, run: RunRecord, plan: PairSummary, shards: Collection[ScoredShard], tally: Tally
) -> dict[str, Any]:
    """Reconciles what was scored with what was named, and writes the report.

    Running it again writes the same report again, but for the time.

    Args:
        output: The output folder.
        run: What was to be done.
        plan: What was named.
        shards: What each shard came to; their tallies are not looked at.
        tally: The sum of all tallies.

    Returns:
        What ``metrics.json`` holds.

    Raises:
        CommitError: Rows are missing, twice, or do not add up; there is no ``metrics.json`` then.
    """
    committed = _read_committed(output, run.run_id)
    if committed is not None:
        return committed
    folder = storage.join(output, FOLDER)
    scored = [shard.id for shard in shards if shard.scores]
    failed = [shard.id for shard in shards if shard.failures]
    if plan.unpaired:
        failed.append(plan.shards[-1])
    scores = _gathered(folder, SCORES, scored, SCORES_SCHEMA)
    failures = _gathered(folder, FAILURES, failed, FAILURES_SCHEMA)
    _reconcile(plan, shards, tally, scores, failures)
    labels = LabelSet.from_dict(run.model["labels"])
    facts = {"options": dict(run.options), "model": dict(run.model), "versions": dict(run.versions)}
    tables = (
        # Nulls, of images that hold only ignored pixels, come last.
        scores.sort_by([("miou", "ascending"), ("image_uri", "ascending")]),
        failures.sort_by([("image_uri", "ascending"), ("truth_uri", "ascending")]),
        classes_table(tally, labels),
        confusion_table(tally, labels),
    )
    contents = [*(parquet_bytes(_with_facts(table, facts)) for table in tables)]
    contents.append(draw_confusion(tally, labels))
    for name, content in zip(REPORT_FILES, contents, strict=True):
        storage.write_atomically(storage.join(output, name), content)
    metrics = _describe(run, plan, tally, labels, Counter(failures.column("code").to_pylist()))
    text = json.dumps(metrics, indent=2) + "\n"
    storage.write_atomically(storage.join(output, METRICS_FILE), text.encode())
    remove_shards(output)
    return metrics


def _read_committed(output: str, run_id: str) -> dict[str, Any] | None:
    """What this same run has committed already: its answer got lost, and its parts are gone."""
    try:
        metrics = json.loads(storage.read(storage.join(output, METRICS_FILE)))
    except FileNotFoundError:
        return None
    return metrics if metrics.get("run_id") == run_id else None


def remove_shards(output: str) -> None:
    """Removes the parts of shards, and nothing that our naming does not know."""
    folder = storage.join(output, FOLDER)
    attempts.clear(folder)
    for dataset in (SCORES, FAILURES):
        for file in storage.list_folder(storage.join(folder, dataset)):
            if PART_NAME.fullmatch(file.name) or is_temporary_name(file.name):
                storage.delete(storage.join(folder, dataset, file.name))


def _gathered(folder: str, dataset: str, shards: Sequence[str], schema: pa.Schema) -> pa.Table:
    with ThreadPoolExecutor(_READERS) as pool:
        tables = pool.map(lambda shard: read_score_part(folder, dataset, shard), sorted(shards))
        return pa.concat_tables([schema.empty_table(), *tables])


def _with_facts(table: pa.Table, facts: Mapping[str, Any]) -> pa.Table:
    return table.replace_schema_metadata({RUN_KEY: json.dumps(facts, sort_keys=True)})


def _reconcile(
    plan: PairSummary,
    shards: Iterable[ScoredShard],
    tally: Tally,
    scores: pa.Table,
    failures: pa.Table,
) -> None:
    """Proves that every image and truth that was named is in one row, and every pixel counted."""
    scored, failed = (sum(counts) for counts in zip(*_row_counts(shards), strict=True))
    pixels = pc.sum(scores.column("pixels")).as_py() or 0
    correct = pc.sum(scores.column("correct_pixels")).as_py() or 0
    for what, found, expected in (
        ("rows of pairs", scored + failed, plan.pairs),
        ("rows of scores", scores.num_rows, scored),
        ("rows of failures", failures.num_rows, failed + plan.unpaired),
        ("images in the tally", tally.images, scored),
        ("pixels in the scores", pixels, int(tally.confusion.sum())),
        ("correct pixels in the scores", correct, int(tally.confusion.trace())),
    ):
        if found != expected:
            raise CommitError(f"{found} {what}, not {expected}; evaluate again")
    images = Counter(scores.column("image_uri").to_pylist())
    images.update(uri for uri in failures.column("image_uri").to_pylist() if uri is not None)
    twice = sorted(uri for uri, count in images.items() if count > 1)
    if twice:
        raise CommitError(f"images in more than one row: {', '.join(twice[:5])}; evaluate again")


def _row_counts(shards: Iterable[ScoredShard]) -> list[tuple[int, int]]:
    return [(0, 0), *((shard.scores, shard.failures) for shard in shards)]


def _describe(
    run: RunRecord,
    plan: PairSummary,
    tally: Tally,
    labels: LabelSet,
    failures_by_code: Mapping[str, int],
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
        "named": {
            "images": plan.images,
            "truths": plan.truths,
            "duplicates": plan.duplicates,
            "pairs": plan.pairs,
        },
        "options": dict(run.options),
        "settings": dict(run.settings),
        "model": dict(run.model),
        "versions": dict(run.versions),
        "started": run.started,
        "committed": committed.isoformat(timespec="milliseconds"),
        "seconds": round((committed - datetime.fromisoformat(run.started)).total_seconds(), 3),
    }


@dataclass(eq=False)
class CommitEvaluation(beam.PTransform):
    """(Scored shards, plan summary, tally) -> the metrics, as the pipeline's own last step.

    Attributes:
        output: The output folder.
        run: What is to be done.
    """

    output: str
    run: RunRecord

    def expand(
        self,
        inputs: tuple[
            beam.PCollection[ScoredShard], beam.PCollection[PairSummary], beam.PCollection[Tally]
        ],
    ) -> beam.PCollection[dict[str, Any]]:
        """Gathers every record, which are small, in one place, and commits there."""
        shards, summary, tally = inputs
        counts = shards | "Counts" >> beam.Map(_without_tally)
        return (
            (counts, summary, tally)
            | beam.Flatten()
            | beam.WithKeys(None)
            | beam.GroupByKey()
            | "Commit" >> beam.MapTuple(self._commit)
        )

    def _commit(
        self, _: None, records: Iterable[ScoredShard | PairSummary | Tally]
    ) -> dict[str, Any]:
        gathered = list(records)
        (plan,) = (record for record in gathered if isinstance(record, PairSummary))
        (tally,) = (record for record in gathered if isinstance(record, Tally))
        by_id = {record.id: record for record in gathered if isinstance(record, ScoredShard)}
        return commit_evaluation(self.output, self.run, plan, list(by_id.values()), tally)


def _without_tally(shard: ScoredShard) -> ScoredShard:
    return replace(shard, tally=Tally.empty(0))
