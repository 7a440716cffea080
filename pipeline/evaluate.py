"""``beam-deeplab evaluate``: pairs images with truth, segments them, and scores the masks.

The masks are those of ``segment``, run into a folder below the output, or of an earlier run of it.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from apache_beam.options.pipeline_options import GoogleCloudOptions, StandardOptions

from beam_deeplab.deeplab.labels import LabelError, LabelSet
from beam_deeplab.deeplab.truth import TruthError, TruthRule
from beam_deeplab.pipeline.beam_flags import pipeline_options
from beam_deeplab.pipeline.evaluations import (
    SEGMENTED,
    check_evaluation_output,
    clear_evaluation,
    read_metrics,
)
from beam_deeplab.pipeline.inputs import describe_left_out, refusing_input
from beam_deeplab.pipeline.launch import run_to_end, set_verbosity
from beam_deeplab.pipeline.options import (
    EvaluateOptions,
    RunFailedError,
    SegmentOptions,
    UsageError,
    refusing,
)
from beam_deeplab.pipeline.recipes import describe_versions
from beam_deeplab.pipeline.reports.evaluation_summary import print_evaluation
from beam_deeplab.pipeline.runner_checks import check_runner, open_pipeline
from beam_deeplab.pipeline.runs import read_committed
from beam_deeplab.pipeline.segment import carry_out, prepare
from beam_deeplab.pipeline.terminal import say
from beam_deeplab.pipeline.workers import check_reachable
from beam_deeplab.pipeline.writers import check_free, writing
from beam_deeplab.transforms import storage
from beam_deeplab.transforms.evaluating.committing import PAIRS_FILE, begin_evaluation
from beam_deeplab.transforms.evaluating.composites import ScoreRun
from beam_deeplab.transforms.evaluating.pairing import (
    Pairing,
    check_pairs,
    list_pairs,
    pair_by_name,
)
from beam_deeplab.transforms.records import Failure, ImageRef, LeftOut
from beam_deeplab.transforms.runs.manifest import Manifest, RunRecord, fingerprint_of
from beam_deeplab.transforms.runs.segmented import list_failures, list_results
from beam_deeplab.transforms.sources.listing import list_input
from beam_deeplab.transforms.sources.reading import read_image

_TRIED = 8
"""Truth files that are read before anything is begun."""

_ADVICE = "the masks stand: --resume scores them again"


def evaluate(options: EvaluateOptions, beam_arguments: Sequence[str] = ()) -> int:
    """Makes the masks, scores them, and waits for both; gives the exit code 0.

    Raises:
        UsageError: Something asked for cannot be had; nothing was touched then.
        RunFailedError: A job ended without its result, or with too many failures.
    """
    started = datetime.now(UTC).isoformat(timespec="milliseconds")
    job = options.job
    beam_options = pipeline_options(beam_arguments, job.workers)
    segmented = options.segmented or storage.join(options.output, SEGMENTED)
    named = [*options.input, *options.truth, *([options.segmented] if options.segmented else [])]
    check_runner(beam_options)
    check_reachable(beam_options, [*named, options.output], shared=job.shared_paths)
    dead = check_free(options.output, beam_options)
    check_evaluation_output(options.output, resume=options.resume, overwrite=options.overwrite)
    set_verbosity(verbose=job.verbose)
    template = beam_options.view_as(GoogleCloudOptions).template_location
    if options.network is not None and template:
        raise UsageError(
            "--template_location: `evaluate` with a model is two jobs: make a template of "
            "`segment`, and evaluate its output with --segmented"
        )
    earlier = read_committed(segmented, "--segmented") if options.segmented else None
    pairing = _find_pairs(options)
    prepared = None
    if options.network is not None:
        segmenting = SegmentOptions(
            options.input,
            segmented,
            options.network,
            job,
            resume=options.resume,
            overwrite=options.overwrite,
        )
        prepared = prepare(segmenting, beam_arguments)
        labels = prepared.recipe.model.labels
    else:
        assert earlier is not None
        labels = LabelSet.from_dict(earlier.model["labels"])
    rule = _choose_rule(options, labels, pairing)
    pipeline = open_pipeline(beam_options)
    with writing(options.output, beam_options, started, dead) as claim:
        clear_evaluation(options.output, resume=options.resume)
        begin_evaluation(options.output, pairing)
        if prepared is not None:
            pairs = storage.join(options.output, PAIRS_FILE)
            carry_out(replace(prepared, options=replace(prepared.options, input=(pairs,))))
        manifest = read_committed(segmented, "--segmented")
        runner = str(beam_options.view_as(StandardOptions).runner)
        run = _describe_evaluation(options, rule, pairing, manifest, runner=runner, started=started)
        pipeline | ScoreRun(segmented, options.output, rule, run)
        run_to_end(pipeline, claim, quiet=job.quiet, verbose=job.verbose, advice=_ADVICE)
    if template:
        if not job.quiet:
            print(f"Wrote the job's template to {template}; running it writes {options.output}")
        return 0
    metrics = read_metrics(options.output)
    _warn_of_missing_classes(metrics)
    if not job.quiet:
        print_evaluation(metrics, options.output)
    _check_failures(metrics, options)
    return 0


def _find_pairs(options: EvaluateOptions) -> Pairing:
    """Lists what was named, and pairs it; says what of it is left out."""
    left_out: list[LeftOut] = []

    def listed(flag: str, patterns: Iterable[str], entries: Callable[[str], Any]) -> list[Any]:
        refs: list[ImageRef] = []
        for pattern in patterns:
            count = len(refs)
            with refusing_input(pattern, flag):
                for entry in entries(pattern):
                    (left_out if isinstance(entry, LeftOut) else refs).append(entry)
            if len(refs) == count:
                raise UsageError(f"{flag} {pattern}: no image matches")
        return refs

    def files(pattern: str) -> Iterable[ImageRef | LeftOut]:
        return list_input(pattern, options.output)

    if options.segmented is not None:
        images = listed("--segmented", [options.segmented], _segmented_images)
    elif options.truth:
        images = listed("--input", options.input, files)
    else:
        return _with_pairs(check_pairs(listed("--input", options.input, list_pairs)))
    truths = listed("--truth", options.truth, files)
    pairing = _with_pairs(pair_by_name(images, truths, options.truth_files.truth_suffix))
    if left_out and not options.job.quiet:
        say(describe_left_out(left_out))
    return replace(pairing, left_out=pairing.left_out + sum(each.count for each in left_out))


def _segmented_images(output: str) -> Iterable[ImageRef]:
    yield from (ref for _, refs in list_results(output) for ref in refs)
    yield from (failure.ref for failure in list_failures(output))


def _with_pairs(pairing: Pairing) -> Pairing:
    if not pairing.pairs:
        failure = pairing.failures[0]
        raise UsageError(f"no image has a truth: {failure.ref.uri}: {failure.message}")
    return pairing


def _choose_rule(options: EvaluateOptions, labels: LabelSet, pairing: Pairing) -> TruthRule:
    """How truth files are understood, tried on some of them."""
    with refusing(f"--truth_format {options.truth_files.truth_format}", LabelError):
        rule = options.truth_files.rule(labels, options.max_pixels)
        for pair in pairing.pairs:
            rule.format_of(pair.truth.uri)
    reasons = []
    for pair in pairing.pairs[:_TRIED]:
        try:
            truth = read_image(pair.truth)
            if not isinstance(truth, Failure):
                rule.read(truth.data, pair.truth.uri)
                return rule
            reasons.append(f"{pair.truth.uri}: {truth.message}")
        except TruthError as error:
            reasons.append(f"{pair.truth.uri}: {error}")
        except OSError as error:  # nobody is signed in
            raise UsageError(f"--truth: {storage.describe(error)}") from error
    raise UsageError(
        f"the truth does not look like the model's {len(labels)} classes: {reasons[0]} "
        f"({len(reasons)} of {len(pairing.pairs)} files tried; see --truth_format)"
    )


def _describe_evaluation(
    options: EvaluateOptions,
    rule: TruthRule,
    pairing: Pairing,
    manifest: Manifest,
    *,
    runner: str,
    started: str,
) -> RunRecord:
    """What the report says of an evaluation of a run's masks."""
    formats = sorted({str(rule.format_of(pair.truth.uri)) for pair in pairing.pairs})
    results: dict[str, Any] = {
        "truth_format": ", ".join(formats),
        "ignore_labels": list(rule.ignored),
        **manifest.options,
    }
    return RunRecord(
        run_id=uuid.uuid4().hex,
        fingerprint=fingerprint_of(results),
        options=results,
        settings={
            "input": list(options.input),
            "truth": list(options.truth),
            "truth_format": options.truth_files.truth_format,
            "truth_suffix": options.truth_files.truth_suffix,
            "runner": runner,
            "segmented": options.segmented or SEGMENTED,
            "segmented_run": manifest.run_id,
            "segmented_versions": dict(manifest.versions),
            "named": pairing.named(),
        },
        model=dict(manifest.model),
        versions=describe_versions(),
        started=started,
    )


def _warn_of_missing_classes(metrics: dict[str, Any]) -> None:
    missing = metrics["classes_without_truth"]
    if missing:
        named = ", ".join(missing[:_TRIED]) + (", …" if len(missing) > _TRIED else "")
        say(f"{len(missing)} of {len(metrics['iou'])} classes have no pixel in the truth: {named}")


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
