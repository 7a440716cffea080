"""``beam-deeplab evaluate``: prepares an evaluation, launches the job, and says how it ended."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import apache_beam as beam
from apache_beam.options.pipeline_options import GoogleCloudOptions, StandardOptions

from beam_deeplab.deeplab.labels import LabelError, LabelSet
from beam_deeplab.pipeline.beam_flags import (
    check_reachable,
    engine_threads,
    pipeline_options,
    runs_here,
    worker_count,
)
from beam_deeplab.pipeline.evaluations import (
    check_evaluation_output,
    clear_evaluation,
    read_metrics,
)
from beam_deeplab.pipeline.job import build_evaluation
from beam_deeplab.pipeline.launch import run_to_end, set_verbosity
from beam_deeplab.pipeline.options import EvaluateOptions, RunFailedError, UsageError
from beam_deeplab.pipeline.progress.display import watch
from beam_deeplab.pipeline.progress.estimate import RunProgress
from beam_deeplab.pipeline.recipes import (
    build_recipe,
    describe_model,
    describe_recipe,
    describe_versions,
)
from beam_deeplab.pipeline.reports.evaluation_summary import print_evaluation
from beam_deeplab.transforms import storage
from beam_deeplab.transforms.evaluating.pair_sources import (
    Named,
    Role,
    Source,
    list_source,
    read_segmented_manifest,
)
from beam_deeplab.transforms.evaluating.score_parts import FOLDER, SCORES
from beam_deeplab.transforms.evaluating.scoring import TruthRule
from beam_deeplab.transforms.evaluating.truth import TruthFormat, choose_truth_format
from beam_deeplab.transforms.records import LabelledRef
from beam_deeplab.transforms.runs.manifest import Manifest, RunRecord, fingerprint_of
from beam_deeplab.transforms.segmenting.handler import Recipe
from beam_deeplab.transforms.sources.image_lists import ImageListError

_ADVICE = "the same command starts anew; a picture that kills its process is found by `segment`"


def evaluate(options: EvaluateOptions, beam_arguments: Sequence[str] = ()) -> int:
    """Runs the job and waits for it.

    Args:
        options: Our flags.
        beam_arguments: Beam's flags.

    Returns:
        The exit code: 0, the report is written, or the template for it is.

    Raises:
        UsageError: Something asked for cannot be had.
        RunFailedError: The job ended without a report, or with too many failures.
    """
    beam_options = pipeline_options(beam_arguments, options.job.workers)
    segmented = [options.segmented] if options.segmented else []
    check_reachable(beam_options, [*options.input, *options.truth, *segmented, options.output])
    check_evaluation_output(options.output, overwrite=options.overwrite)
    sources = describe_sources(options)
    truth_uri = _first_truth(sources)
    set_verbosity(verbose=options.job.verbose)
    recipe = None
    if options.network is not None:
        gpu = None if runs_here(beam_options) else options.job.accelerator is not None
        recipe = build_recipe(options.network, gpu=gpu)
    earlier = read_segmented(options.segmented) if options.segmented else None
    labels = _labels(recipe, earlier)
    rule = choose_rule(options, labels, truth_uri)
    runner = str(beam_options.view_as(StandardOptions).runner)
    run = describe_evaluation(options, rule, runner, recipe, earlier)
    clear_evaluation(options.output)
    pipeline = beam.Pipeline(options=beam_options)
    build_evaluation(
        pipeline,
        sources,
        options.output,
        rule,
        run,
        recipe=recipe,
        workers=worker_count(beam_options),
        engine_threads=engine_threads(beam_options),
        resource_hints=options.job.resource_hints(),
    )
    template = beam_options.view_as(GoogleCloudOptions).template_location
    if template:
        pipeline.run()
        if not options.job.quiet:
            print(f"Wrote the job's template to {template}; running it writes {options.output}")
        return 0
    shards = storage.join(options.output, FOLDER)

    def end() -> RunProgress:
        metrics = read_metrics(options.output)
        rows = metrics["images"] + metrics["failures"]
        return RunProgress(rows, rows, metrics["failures"])

    try:
        with watch(shards, quiet=options.job.quiet, results=SCORES, end=end):
            run_to_end(
                pipeline,
                options.output,
                quiet=options.job.quiet,
                verbose=options.job.verbose,
                advice=_ADVICE,
            )
    except KeyboardInterrupt as error:
        raise KeyboardInterrupt("the same command starts anew") from error
    metrics = read_metrics(options.output)
    if not options.job.quiet:
        print_evaluation(metrics, options.output)
    _check_failures(metrics, options)
    return 0


def describe_sources(options: EvaluateOptions) -> list[Source]:
    """What the job lists."""
    images = Role.IMAGES if options.truth else Role.PAIRS
    sources = [Source(images, pattern) for pattern in options.input]
    sources += [Source(Role.TRUTHS, pattern) for pattern in options.truth]
    if options.segmented is not None:
        sources.append(Source(Role.SEGMENTED, options.segmented))
    return sources


def read_segmented(output: str) -> Manifest:
    """The manifest of the run whose masks are scored.

    Raises:
        UsageError: It is not committed, or not a run of ours.
    """
    try:
        return read_segmented_manifest(output)
    except FileNotFoundError as error:
        raise UsageError(
            f"--segmented {output}: is not committed (it has no manifest.json): finish it with "
            "`segment --resume`"
        ) from error
    except OSError as error:
        raise UsageError(f"--segmented: {storage.describe(error)}") from error
    except ValueError as error:
        raise UsageError(f"--segmented {output}: {error}") from error


def choose_rule(options: EvaluateOptions, labels: LabelSet, truth_uri: str) -> TruthRule:
    """How truth files are understood.

    Args:
        options: What was asked for.
        labels: The classes of the masks.
        truth_uri: One of the truth files, by whose name ``auto`` may choose.

    Raises:
        UsageError: The format does not suit the classes, or cannot be told.
    """
    try:
        if options.truth_format == "auto":
            truth_format = choose_truth_format(labels, truth_uri)
        else:
            truth_format = TruthFormat(options.truth_format)
        return TruthRule(labels, truth_format, options.max_pixels)
    except LabelError as error:
        raise UsageError(f"--truth_format {options.truth_format}: {error}") from error


def describe_evaluation(
    options: EvaluateOptions,
    rule: TruthRule,
    runner: str,
    recipe: Recipe | None,
    earlier: Manifest | None,
) -> RunRecord:
    """What the report says of an evaluation that starts now."""
    results: dict[str, Any] = {"truth_format": str(rule.truth_format)}
    model: dict[str, Any]
    settings: dict[str, Any] = {
        "input": list(options.input),
        "truth": list(options.truth),
        "truth_format": options.truth_format,
        "runner": runner,
    }
    if recipe is not None:
        results |= describe_recipe(recipe)
        model = describe_model(recipe.model)
    else:
        assert earlier is not None
        results |= earlier.options
        model = dict(earlier.model)
        settings["segmented"] = options.segmented
        settings["segmented_run"] = earlier.run_id
        settings["segmented_versions"] = dict(earlier.versions)
    return RunRecord(
        run_id=uuid.uuid4().hex,
        fingerprint=fingerprint_of(results),
        options=results,
        settings=settings,
        model=model,
        versions=describe_versions(),
        started=datetime.now(UTC).isoformat(timespec="milliseconds"),
    )


def _labels(recipe: Recipe | None, earlier: Manifest | None) -> LabelSet:
    if recipe is not None:
        return recipe.model.labels
    assert earlier is not None
    return LabelSet.from_dict(earlier.model["labels"])


def _first_truth(sources: Sequence[Source]) -> str:
    """The URI of one truth.

    Raises:
        UsageError: Nothing matches, or something cannot be listed.
    """
    first: dict[Role, Named] = {}
    for source in sources:
        if source.role is Role.SEGMENTED or source.role in first:
            continue
        flag = "--truth" if source.role is Role.TRUTHS else "--input"
        try:
            named = next(list_source(source), None)
        except OSError as error:
            raise UsageError(f"{flag}: {storage.describe(error)}") from error
        except ImageListError as error:
            raise UsageError(f"{flag}: {error}") from error
        if named is not None:
            first[source.role] = named
    for role, flag in ((Role.IMAGES, "--input"), (Role.PAIRS, "--input"), (Role.TRUTHS, "--truth")):
        patterns = [source.pattern for source in sources if source.role is role]
        if patterns and role not in first:
            raise UsageError(f"{flag} {' '.join(patterns)}: no image matches")
    named = first[Role.PAIRS if Role.PAIRS in first else Role.TRUTHS]
    return named.truth.uri if isinstance(named, LabelledRef) else named.ref.uri


def _check_failures(metrics: dict[str, Any], options: EvaluateOptions) -> None:
    failures: int = metrics["failures"]
    rows = failures + metrics["images"]
    if failures > options.job.max_failure_fraction * rows:
        reasons = storage.join(options.output, "failures.parquet")
        raise RunFailedError(
            f"{failures} of {rows} images and truths could not be scored, more than "
            f"--max_failure_fraction={options.job.max_failure_fraction:g} allows; the report is "
            f"of the others, and the reasons are in {reasons}"
        )
