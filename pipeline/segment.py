"""``beam-deeplab segment``: prepares a run, launches the job, and says how it ended."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import UTC, datetime

import apache_beam as beam
from apache_beam.options.pipeline_options import GoogleCloudOptions, StandardOptions

from beam_deeplab.pipeline.beam_flags import (
    check_reachable,
    engine_threads,
    pipeline_options,
    runs_here,
    worker_count,
)
from beam_deeplab.pipeline.dry_run import dry_run
from beam_deeplab.pipeline.job import build_job
from beam_deeplab.pipeline.launch import run_to_end, set_verbosity
from beam_deeplab.pipeline.options import RunFailedError, SegmentOptions, UsageError
from beam_deeplab.pipeline.progress.display import watch
from beam_deeplab.pipeline.recipes import (
    build_recipe,
    describe_model,
    describe_recipe,
    describe_versions,
)
from beam_deeplab.pipeline.reports.run_summary import print_summary
from beam_deeplab.pipeline.runs import check_output, check_same_options, read_manifest, start_run
from beam_deeplab.transforms import storage
from beam_deeplab.transforms.parquet.schemas import FAILURES
from beam_deeplab.transforms.runs import attempts
from beam_deeplab.transforms.runs.manifest import Manifest, RunRecord, fingerprint_of
from beam_deeplab.transforms.segmenting.handler import Recipe
from beam_deeplab.transforms.sources.image_lists import ImageListError
from beam_deeplab.transforms.sources.listing import list_images


def segment(options: SegmentOptions, beam_arguments: Sequence[str] = ()) -> int:
    """Runs the job and waits for it.

    Args:
        options: Our flags.
        beam_arguments: Beam's flags.

    Returns:
        The exit code: 0, the output is committed, or the template for it is written.

    Raises:
        UsageError: Something asked for cannot be had.
        RunFailedError: The job ended without a commit, or with too many failures.
    """
    beam_options = pipeline_options(beam_arguments, options.job.workers)
    check_reachable(beam_options, [*options.input, options.output])
    check_output(options.output, resume=options.resume, overwrite=options.overwrite)
    _check_inputs(options.input)
    set_verbosity(verbose=options.job.verbose)
    gpu = None if runs_here(beam_options) else options.job.accelerator is not None
    recipe = build_recipe(options.network, gpu=gpu)
    workers = worker_count(beam_options)
    run = describe_run(options, recipe, str(beam_options.view_as(StandardOptions).runner))
    if options.resume:
        check_same_options(options.output, run)
    if options.dry_run:
        dry_run(options, recipe, workers=workers, shared_machine=runs_here(beam_options))
        return 0
    try:
        run = start_run(options.output, run, resume=options.resume, overwrite=options.overwrite)
    except OSError as error:
        raise UsageError(f"--output: {storage.describe(error)}") from error
    pipeline = beam.Pipeline(options=beam_options)
    build_job(
        pipeline,
        options.input,
        options.output,
        recipe,
        run,
        resume=options.resume,
        shard_size=options.shard_size,
        workers=workers,
        engine_threads=engine_threads(beam_options),
        resource_hints=options.job.resource_hints(),
    )
    template = beam_options.view_as(GoogleCloudOptions).template_location
    if template:
        pipeline.run()
        if not options.job.quiet:
            print(f"Wrote the job's template to {template}; running it commits {options.output}")
        return 0
    try:
        with watch(options.output, quiet=options.job.quiet):
            run_to_end(pipeline, verbose=options.job.verbose)
    except KeyboardInterrupt:
        attempts.let_go()
        raise
    manifest = read_manifest(options.output)
    if not options.job.quiet:
        print_summary(manifest, options.output)
    _check_failures(manifest, options)
    return 0


def describe_run(options: SegmentOptions, recipe: Recipe, runner: str) -> RunRecord:
    """What ``run.json`` says of a run that starts now."""
    results = describe_recipe(recipe)
    return RunRecord(
        run_id=uuid.uuid4().hex,
        fingerprint=fingerprint_of(results),
        options=results,
        settings={
            "input": list(options.input),
            "shard_size": options.shard_size,
            "runner": runner,
        },
        model=describe_model(recipe.model),
        versions=describe_versions(),
        started=datetime.now(UTC).isoformat(timespec="milliseconds"),
    )


def _check_inputs(patterns: Sequence[str]) -> None:
    try:
        if any(next(iter(list_images(pattern)), None) is not None for pattern in patterns):
            return
    except OSError as error:
        raise UsageError(f"--input: {storage.describe(error)}") from error
    except ImageListError as error:
        raise UsageError(f"--input: {error}") from error
    raise UsageError(f"--input {' '.join(patterns)}: no image matches")


def _check_failures(manifest: Manifest, options: SegmentOptions) -> None:
    failures = manifest.counts["total_failures"]
    images = failures + manifest.counts["total_masks"]
    if failures > options.job.max_failure_fraction * images:
        raise RunFailedError(
            f"{failures} of {images} images failed, more than --max_failure_fraction="
            f"{options.job.max_failure_fraction:g} allows; the masks are committed, the reasons "
            f"are in {storage.join(options.output, FAILURES)}, and --resume tries those again"
        )
