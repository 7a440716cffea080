"""``beam-deeplab segment``: prepares a run, launches the job, and says how it ended."""

from __future__ import annotations

import logging
import os
import uuid
from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

import apache_beam as beam
from apache_beam.options.pipeline_options import GoogleCloudOptions, StandardOptions

from deeplab.checkpoints import CheckpointError
from deeplab.engines import EngineError, check_engine, choose_engine
from deeplab.labels import LabelError, read_labels
from deeplab.models import ModelSpec, inspect_model
from deeplab.zoo import ZooError
from pipeline.beam_flags import (
    check_reachable,
    engine_threads,
    pipeline_options,
    runs_here,
    worker_count,
)
from pipeline.dry_run import dry_run
from pipeline.job import build_job
from pipeline.options import RunFailedError, SegmentOptions, UsageError
from pipeline.progress import watch
from pipeline.runs import check_output, check_same_options, read_manifest, start_run
from pipeline.summary import print_summary
from transforms import storage
from transforms.geometry import Canvas
from transforms.segmenting.handler import Recipe
from transforms.sink import attempts
from transforms.sink.manifest import Manifest, RunRecord, fingerprint_of
from transforms.sink.schemas import FAILURES
from transforms.sources.image_lists import ImageListError
from transforms.sources.listing import list_images

_VERSIONED = (
    "beam-deeplab",
    "apache-beam",
    "tensorflow",
    "keras",
    "openvino",
    "numpy",
    "pillow",
    "simplejpeg",
    "opencv-python-headless",
)
"""Packages that decide results, or that a reader of an output may have to know."""


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
    beam_options = pipeline_options(beam_arguments, options.workers)
    check_reachable(beam_options, [*options.input, options.output])
    check_output(options.output, resume=options.resume, overwrite=options.overwrite)
    _check_inputs(options.input)
    if options.verbose:
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "0")
    else:
        _quieten()
    recipe = build_recipe(options, here=runs_here(beam_options))
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
        resource_hints=options.resource_hints(),
    )
    template = beam_options.view_as(GoogleCloudOptions).template_location
    if template:
        pipeline.run()
        if not options.quiet:
            print(f"Wrote the job's template to {template}; running it commits {options.output}")
        return 0
    try:
        with watch(options.output, quiet=options.quiet):
            _wait_for(pipeline, verbose=options.verbose)
    except KeyboardInterrupt:
        attempts.let_go()
        raise
    manifest = read_manifest(options.output)
    if not options.quiet:
        print_summary(manifest, options.output)
    _check_failures(manifest, options)
    return 0


def find_model_spec(reference: str, labels_file: str | None = None) -> ModelSpec:
    """:func:`deeplab.models.inspect_model`, with a user's labels and with usage errors.

    Args:
        reference: A zoo name, a local path or a ``gs://`` path.
        labels_file: JSON with the model's class names and colours; None for its own.

    Raises:
        UsageError: The model cannot be had, or the labels do not suit it.
    """
    try:
        model = inspect_model(reference)
    except (ZooError, CheckpointError) as error:
        raise UsageError(f"--model: {error}") from error
    if labels_file is None:
        return model
    try:
        return replace(model, labels=read_labels(labels_file, classes=model.config.num_classes))
    except (LabelError, OSError) as error:
        raise UsageError(f"--labels: {error}") from error


def build_recipe(options: SegmentOptions, *, here: bool = True) -> Recipe:
    """Finds the model and the engine, and fits the options to them.

    Args:
        options: Our flags.
        here: Whether the workers are on this machine, and what they can do is known.

    Raises:
        UsageError: The model or the engine cannot be had, or the canvas does not suit them.
    """
    try:
        engine = choose_engine(
            options.engine, options.precision, gpu=None if here else options.accelerator is not None
        )
        if here:
            check_engine(engine)
    except EngineError as error:
        raise UsageError(f"--engine: {error}") from error
    model = find_model_spec(options.model, options.labels)
    try:
        canvas = Canvas(*(options.canvas or model.canvas))
        canvas.grid_size(options.output_stride)
    except ValueError as error:
        raise UsageError(f"--canvas: {error}") from error
    return Recipe(
        model, canvas, options.output_stride, engine, options.bucketed, options.max_pixels
    )


def describe_run(options: SegmentOptions, recipe: Recipe, runner: str) -> RunRecord:
    """What ``run.json`` says of a run that starts now."""
    model = recipe.model
    results = {
        "model_digest": model.digest,
        "labels": model.labels.to_dict(),
        "canvas": [recipe.canvas.height, recipe.canvas.width],
        "output_stride": recipe.output_stride,
        "canvas_buckets": recipe.bucketed,
        "engine": recipe.engine.name,
        "precision": recipe.engine.precision,
        "max_pixels": recipe.max_pixels,
    }
    return RunRecord(
        run_id=uuid.uuid4().hex,
        fingerprint=fingerprint_of(results),
        options=results,
        settings={
            "input": list(options.input),
            "shard_size": options.shard_size,
            "runner": runner,
        },
        model=describe_model(model),
        versions={name: version(name) for name in _VERSIONED},
        started=datetime.now(UTC).isoformat(timespec="milliseconds"),
    )


def describe_model(model: ModelSpec) -> dict[str, Any]:
    """A model's facts as files of the output carry them."""
    return {
        "reference": model.reference,
        "digest": model.digest,
        "config": asdict(model.config),
        "labels": model.labels.to_dict(),
    }


def _quieten() -> None:
    """Keeps the libraries' logs from burying ours; ``--verbose`` shows them."""
    logging.getLogger().setLevel(logging.CRITICAL)
    for ours in ("deeplab", "transforms", "pipeline"):
        logging.getLogger(ours).setLevel(logging.WARNING)


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
    if failures > options.max_failure_fraction * images:
        raise RunFailedError(
            f"{failures} of {images} images failed, more than --max_failure_fraction="
            f"{options.max_failure_fraction:g} allows; the masks are committed, the reasons are "
            f"in {storage.join(options.output, FAILURES)}, and --resume tries those images again"
        )


def _wait_for(pipeline: beam.Pipeline, *, verbose: bool) -> None:
    try:
        pipeline.run().wait_until_finish()
    except Exception as error:
        if KeyboardInterrupt.__name__ in str(error):
            # With one worker it strikes a step, and Beam reports it as that step's failure.
            raise KeyboardInterrupt from error
        if verbose:
            raise
        raise RunFailedError(
            f"{_root_message(error)} (nothing finished is lost: --resume continues; "
            "--verbose shows more)"
        ) from error


def _root_message(error: BaseException) -> str:
    """What a worker raised, in one line: Beam wraps whole tracebacks into its messages."""
    if isinstance(error, OSError) and error.filename:
        return storage.describe(error)
    lines = [line.strip() for line in str(error).splitlines()]
    lines = [line for line in lines if line and not line.startswith("[while running")]
    errors = [line for line in lines if "Error" in line and not line.startswith("File ")]
    return (errors or lines or [type(error).__name__])[-1]
