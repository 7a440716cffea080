"""``beam-deeplab segment``: prepares a run, launches the job, and says how it ended."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from apache_beam.options.pipeline_options import (
    GoogleCloudOptions,
    PipelineOptions,
    StandardOptions,
)

from beam_deeplab.deeplab.checkpoints import CheckpointError
from beam_deeplab.deeplab.engines import EngineError
from beam_deeplab.deeplab.zoo import ZooError
from beam_deeplab.pipeline.accelerators import Accelerator, find_accelerator, missing_partners
from beam_deeplab.pipeline.attaching import attach
from beam_deeplab.pipeline.beam_flags import pipeline_options
from beam_deeplab.pipeline.dry_run import dry_run
from beam_deeplab.pipeline.inputs import check_inputs
from beam_deeplab.pipeline.job import build_job
from beam_deeplab.pipeline.launch import run_to_end, set_verbosity
from beam_deeplab.pipeline.options import RunFailedError, SegmentOptions, UsageError, refusing
from beam_deeplab.pipeline.progress.display import watch
from beam_deeplab.pipeline.quantize import quantized_for_run
from beam_deeplab.pipeline.recipes import (
    build_recipe,
    describe_model,
    describe_recipe,
    describe_versions,
)
from beam_deeplab.pipeline.reports.run_summary import print_summary
from beam_deeplab.pipeline.runner_checks import check_pipeline, check_runner, open_pipeline
from beam_deeplab.pipeline.runs import check_output, check_same_options, read_manifest, start_run
from beam_deeplab.pipeline.terminal import open_console, safe_line, say
from beam_deeplab.pipeline.workers import (
    check_reachable,
    machines_of,
    runs_here,
    staging_location,
)
from beam_deeplab.pipeline.writers import Claim, check_free, writing
from beam_deeplab.transforms import storage
from beam_deeplab.transforms.parquet.names import collection_root
from beam_deeplab.transforms.parquet.schemas import FAILURES
from beam_deeplab.transforms.records import FailureCode
from beam_deeplab.transforms.runs.manifest import Manifest, RunRecord, fingerprint_of
from beam_deeplab.transforms.runs.writer import Writer
from beam_deeplab.transforms.segmenting.handler import Recipe
from beam_deeplab.transforms.segmenting.staging import stage_model

_LASTING = frozenset(
    {
        FailureCode.EMPTY,
        FailureCode.UNSUPPORTED_FORMAT,
        FailureCode.CORRUPT,
        FailureCode.TOO_LARGE,
        FailureCode.NON_FINITE,
    }
)
"""What the same bytes come to again."""

_ADVICE = "`segment --attach` follows it; or end it first"


@dataclass(frozen=True)
class PreparedRun:
    """A run that nothing known speaks against, and that has touched nothing yet.

    Attributes:
        options: Our flags.
        beam_options: Beam's.
        recipe: What decides the results.
        record: What ``run.json`` shall say.
        dead: Who has left notes in the output and lives no more.
        gpu: What workers elsewhere run the network on; empty for their cores.
    """

    options: SegmentOptions
    beam_options: PipelineOptions
    recipe: Recipe
    record: RunRecord
    dead: frozenset[Writer]
    gpu: str = ""


def segment(
    options: SegmentOptions,
    beam_arguments: Sequence[str] = (),
    tailor: Callable[[Recipe], Recipe] | None = None,
) -> int:
    """Runs the job and waits for it, or follows the one that runs; gives the exit code 0.

    Args:
        options: Our flags.
        beam_arguments: Beam's.
        tailor: Makes of the recipe of masks that of another result.

    Raises:
        UsageError: Something asked for cannot be had.
        RunFailedError: The job ended without a commit, or with too many failures.
    """
    if options.attach:
        if options.dry_run:
            raise UsageError("--attach follows a run, and --dry_run estimates one: give either")
        set_verbosity(verbose=options.job.verbose)
        manifest = attach(options.output, beam_arguments, quiet=options.job.quiet)
        _tell(manifest, options, manifest.seconds)
        return 0
    prepared = prepare(options, beam_arguments, tailor)
    if options.dry_run:
        dry_run(options, prepared.recipe, machines_of(prepared.beam_options, prepared.gpu))
        return 0
    began = time.monotonic()
    committed = carry_out(prepared)
    if committed is not None:
        _tell(committed, options, time.monotonic() - began)
    return 0


def _tell(manifest: Manifest, options: SegmentOptions, seconds: float) -> None:
    if not options.job.quiet:
        print_summary(manifest, options.output, seconds)
    _check_failures(manifest, options)


def prepare(
    options: SegmentOptions,
    beam_arguments: Sequence[str] = (),
    tailor: Callable[[Recipe], Recipe] | None = None,
) -> PreparedRun:
    """Refuses whatever can be refused, and touches nothing; takes what :func:`segment` takes.

    Raises:
        UsageError: Something asked for cannot be had.
    """
    beam_options = pipeline_options(beam_arguments, options.job.workers)
    check_runner(beam_options)
    paths = [*options.input, options.output]
    check_reachable(beam_options, paths, shared=options.job.shared_paths)
    accelerator = find_accelerator(beam_options, options.job.accelerator)
    dead = check_free(options.output, beam_options, advice=_ADVICE)
    check_output(options.output, resume=options.resume, overwrite=options.overwrite)
    check_inputs(options.input, options.output)
    set_verbosity(verbose=options.job.verbose)
    remote = not runs_here(beam_options)
    recipe = build_recipe(options.network, gpu=accelerator is not None if remote else None)
    if remote and accelerator is not None:
        recipe = _on_gpus(recipe, accelerator, options, beam_options)
    recipe = quantized_for_run(recipe, options)
    recipe = tailor(recipe) if tailor else recipe
    record = _describe_run(options, recipe, str(beam_options.view_as(StandardOptions).runner))
    if options.resume:
        check_same_options(options.output, record)
    gpu = accelerator.type if accelerator and recipe.engine.name == "tensorflow" else ""
    check_pipeline(beam_options, options.job.resource_hints())
    return PreparedRun(options, beam_options, recipe, record, dead, gpu)


def carry_out(prepared: PreparedRun) -> Manifest | None:
    """Starts the run, submits its job, and watches it to its end.

    Returns:
        The manifest of the committed output; None where a template was written instead.

    Raises:
        UsageError: The output was taken meanwhile, or the model cannot be put where workers
            find it.
        RunFailedError: The job ended without a commit.
        KeyboardInterrupt: A signal has ended it.
    """
    output, beam_options = prepared.options.output, prepared.beam_options
    prepared = replace(prepared, recipe=_staged(prepared))
    with writing(output, beam_options, prepared.record.started, prepared.dead) as claim:
        return _carry_out(prepared, claim)


def _carry_out(prepared: PreparedRun, claim: Claim) -> Manifest | None:
    options, job = prepared.options, prepared.options.job
    with refusing("--output", OSError):
        run = start_run(
            options.output, prepared.record, resume=options.resume, overwrite=options.overwrite
        )
    template = prepared.beam_options.view_as(GoogleCloudOptions).template_location
    pipeline = open_pipeline(prepared.beam_options)
    # Whoever runs a template, and when, holds no note.
    build_job(pipeline, options, prepared.recipe, run, "" if template else claim.name)
    with watch(options.output, quiet=job.quiet or bool(template)):
        run_to_end(pipeline, claim, quiet=job.quiet, verbose=job.verbose)
    if not template:
        return read_manifest(options.output)
    if not job.quiet:
        done = f"Wrote the job's template to {template}; running it commits {options.output}"
        print(safe_line(done))
    return None


def _staged(prepared: PreparedRun) -> Recipe:
    """The recipe as workers elsewhere can follow it: with the model where they find it."""
    options = prepared.options
    location = staging_location(prepared.beam_options, options.output)
    if options.network.precision == "int8":
        location = options.output  # so that whoever resumes it finds the very same networks
    if location is None:
        return prepared.recipe
    with (
        refusing("--model", ZooError, CheckpointError, EngineError),
        refusing("--model cannot be staged", OSError),
        open_console(stderr=True).status("making the model ready for the workers"),
    ):
        return stage_model(prepared.recipe, location)


def _on_gpus(
    recipe: Recipe, accelerator: Accelerator, options: SegmentOptions, beam_options: PipelineOptions
) -> Recipe:
    """The recipe for workers that must have GPUs; says what they lack for it."""
    if recipe.engine.name != "tensorflow":
        if options.job.allow_cpu:
            return recipe
        raise UsageError(
            f"--engine={recipe.engine.name} leaves {accelerator.type} idle: take tensorflow, or "
            "--allow_cpu to compute on CPUs"
        )
    if str(beam_options.view_as(StandardOptions).runner).endswith("DataflowRunner"):
        for line in missing_partners(accelerator, beam_options):
            say(f"{accelerator.type}: {line}")
    return replace(recipe, engine=recipe.engine._replace(needs_gpu=not options.job.allow_cpu))


def _describe_run(options: SegmentOptions, recipe: Recipe, runner: str) -> RunRecord:
    """What ``run.json`` says of a run that starts now."""
    results = describe_recipe(recipe)
    return RunRecord(
        run_id=uuid.uuid4().hex,
        fingerprint=fingerprint_of(results),
        options=results,
        settings={
            "input": list(options.input),
            "shard_size": options.shard_size,
            "max_file_bytes": options.max_file_bytes,
            "runner": runner,
        },
        model=describe_model(recipe.model),
        versions=describe_versions(),
        started=datetime.now(UTC).isoformat(timespec="milliseconds"),
        images_root=collection_root(options.input),
        dataset=recipe.dataset,
    )


def _check_failures(manifest: Manifest, options: SegmentOptions) -> None:
    failures = manifest.counts["total_failures"]
    images = failures + manifest.counts[f"total_{manifest.dataset}"]
    if failures > options.job.max_failure_fraction * images:
        can_pass = not _LASTING.issuperset(manifest.failures_by_code)
        advice = ", and --resume tries again what has been mended" if can_pass else ""
        raise RunFailedError(
            f"{failures} of {images} images failed, more than --max_failure_fraction="
            f"{options.job.max_failure_fraction:g} allows; the {manifest.dataset} are committed, "
            f"the reasons are in {storage.join(options.output, FAILURES)}{advice}"
        )
