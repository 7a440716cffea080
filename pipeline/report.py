"""``beam-deeplab report``: a run's tables and some of its pictures as one page."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from beam_deeplab.deeplab.labels import LabelSet
from beam_deeplab.deeplab.truth import TruthFormat, TruthRule
from beam_deeplab.pipeline.evaluations import read_metrics
from beam_deeplab.pipeline.options import RunFailedError, UsageError, refusing
from beam_deeplab.pipeline.options.report import ReportOptions
from beam_deeplab.pipeline.options.truth import AUTO
from beam_deeplab.pipeline.reports.run_report.drift import compute_drift
from beam_deeplab.pipeline.reports.run_report.page import Page, render_page
from beam_deeplab.pipeline.reports.run_report.samples import choose_samples
from beam_deeplab.pipeline.reports.run_report.scanning import compute_figures
from beam_deeplab.pipeline.reports.run_report.tables import open_tables
from beam_deeplab.pipeline.reports.run_report.tiles import Truths, make_tiles
from beam_deeplab.pipeline.runs import read_committed
from beam_deeplab.pipeline.terminal import open_console, safe_line
from beam_deeplab.transforms import storage
from beam_deeplab.transforms.evaluating.committing import PAIRS_FILE, SCORES_FILE
from beam_deeplab.transforms.evaluating.tables import read_pairs
from beam_deeplab.transforms.parquet.parts import DamagedPartError
from beam_deeplab.transforms.runs.manifest import Manifest


def report(options: ReportOptions) -> int:
    """Writes the page and its figures, over those of an earlier report; gives the exit code 0.

    Raises:
        UsageError: Something named is no committed run, cannot be read, or is of another run.
    """
    manifest = read_committed(options.run, "RUN")
    runs = [(options.run, manifest)]
    if options.against:
        runs.append((options.against, read_committed(options.against, "--against")))
    evaluation = _read_evaluation(options.evaluation, manifest) if options.evaluation else None
    with ExitStack() as stack:
        stack.enter_context(refusing("RUN", OSError))
        stack.enter_context(refusing(options.run, duckdb.Error, DamagedPartError))
        tables, *others = stack.enter_context(open_tables(*runs))
        figures = compute_figures(tables)
        drift = None
        if others:
            drift = compute_drift(tables, figures, others[0], compute_figures(others[0]))
        samples = choose_samples(tables, figures, drift, evaluation.scores if evaluation else None)
        shown = {uri for sample in samples for uri, _ in sample.images}
        tiles = make_tiles(
            options.run,
            tables.labels,
            shown,
            evaluation.truths if evaluation else None,
            (others[0].output, others[0].labels) if others else None,
        )
        page = Page(
            figures,
            tables.labels,
            samples,
            {tile.image_uri: tile for tile in tiles},
            (options.evaluation, evaluation.metrics) if evaluation and options.evaluation else None,
            drift,
        )
    numbers = options.output.removesuffix(".html") + ".json"
    content = {
        "figures": asdict(figures),
        "evaluation": evaluation and evaluation.metrics,
        "drift": drift and asdict(drift),
        "pictures": [asdict(sample) for sample in samples],
    }
    with refusing("--output", OSError):
        storage.write_atomically(numbers, json.dumps(content, indent=1).encode())
        storage.write_atomically(options.output, render_page(page).encode())
    for file in (options.output, numbers):
        open_console().print(f"Report: {safe_line(file)}", soft_wrap=True)
    return 0


@dataclass(frozen=True)
class _Evaluation:
    metrics: Mapping[str, Any]
    scores: pa.Table
    truths: Truths


def _read_evaluation(folder: str, manifest: Manifest) -> _Evaluation:
    with refusing("--evaluation", OSError, RunFailedError):
        metrics = read_metrics(folder)
        settings = metrics["settings"]
        if settings["segmented_run"] != manifest.run_id:
            raise UsageError(
                f"--evaluation {folder}: is of run {settings['segmented_run']}, not of this one, "
                f"{manifest.run_id}"
            )
        named = settings["truth_format"]
        rule = TruthRule(
            LabelSet.from_dict(manifest.model["labels"]),
            None if named == AUTO else TruthFormat(named),
            tuple(metrics["options"]["ignore_labels"]),
        )
        pairs = read_pairs(storage.join(folder, PAIRS_FILE))
        scores = pq.read_table(io.BytesIO(storage.read(storage.join(folder, SCORES_FILE))))
    if "major_miou" not in scores.column_names:
        raise UsageError(
            f"--evaluation {folder}: is of an earlier version: score the masks again by `evaluate "
            "--resume`"
        )
    return _Evaluation(metrics, scores, Truths({pair.uri: pair for pair in pairs}, rule))
