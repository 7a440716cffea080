"""``beam-deeplab segment``: prepares a run, launches the job, and says how it ended."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

import apache_beam as beam

from deeplab.checkpoints import CheckpointError
from deeplab.models import ModelSpec, inspect_model
from deeplab.quiet_tensorflow import import_tensorflow_quietly
from deeplab.zoo import ZooError
from pipeline.beam_flags import check_reachable, pipeline_options, worker_count
from pipeline.job import build_job
from pipeline.options import RunFailedError, SegmentOptions, UsageError
from pipeline.summary import print_summary
from transforms import storage
from transforms.geometry import Canvas
from transforms.handler import Recipe
from transforms.listing import list_images
from transforms.manifest import (
    MANIFEST_FILE,
    RUN_FILE,
    Manifest,
    RunRecord,
    fingerprint_of,
)

_VERSIONED = ("beam-deeplab", "apache-beam", "tensorflow", "keras", "numpy", "pillow")
"""Packages that decide results, or that a reader of an output may have to know."""


def segment(options: SegmentOptions, beam_arguments: Sequence[str] = ()) -> int:
    """Runs the job and waits for it.

    Args:
        options: Our flags.
        beam_arguments: Beam's flags.

    Returns:
        The exit code: 0, the output is committed.

    Raises:
        UsageError: Something asked for cannot be had.
        RunFailedError: The job ended without a commit.
    """
    beam_options = pipeline_options(beam_arguments)
    check_reachable(beam_options, [*options.input, options.output])
    _check_output(options.output)
    _check_inputs(options.input)
    if not options.verbose:
        _quieten()
    recipe = build_recipe(options)
    workers = worker_count(beam_options)
    run = describe_run(options, recipe, {"runner": str(beam_options.get_all_options()["runner"])})
    pipeline = beam.Pipeline(options=beam_options)
    build_job(
        pipeline,
        options.input,
        options.output,
        recipe,
        run,
        shard_size=options.shard_size,
        workers=workers,
    )
    _start(options.output, run)
    _wait_for(pipeline, verbose=options.verbose)
    manifest = read_manifest(options.output)
    if not options.quiet:
        print_summary(manifest, options.output)
    return 0


def find_model_spec(reference: str) -> ModelSpec:
    """:func:`deeplab.models.inspect_model`, with its errors as usage errors."""
    try:
        return inspect_model(reference)
    except (ZooError, CheckpointError) as error:
        raise UsageError(f"--model: {error}") from error


def build_recipe(options: SegmentOptions) -> Recipe:
    """Finds the model and fits the options to it.

    Raises:
        UsageError: The model cannot be had, or the canvas does not suit it.
    """
    model = find_model_spec(options.model)
    try:
        canvas = Canvas(*(options.canvas or model.canvas))
        canvas.grid_size(options.output_stride)
    except ValueError as error:
        raise UsageError(f"--canvas: {error}") from error
    return Recipe(model, canvas, options.output_stride, options.max_pixels)


def describe_run(options: SegmentOptions, recipe: Recipe, settings: dict[str, Any]) -> RunRecord:
    """What ``run.json`` says of a run that starts now."""
    model = recipe.model
    results = {
        "model_digest": model.digest,
        "labels": list(model.labels.names),
        "canvas": [recipe.canvas.height, recipe.canvas.width],
        "output_stride": recipe.output_stride,
        "engine": "tensorflow",
        "precision": "f32",
        "max_pixels": recipe.max_pixels,
    }
    return RunRecord(
        run_id=uuid.uuid4().hex,
        fingerprint=fingerprint_of(results),
        options=results,
        settings={"input": list(options.input), "shard_size": options.shard_size, **settings},
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


def read_manifest(output: str) -> Manifest:
    """The manifest of a committed output.

    Raises:
        RunFailedError: There is none.
    """
    try:
        return Manifest.from_json(storage.read(storage.join(output, MANIFEST_FILE)))
    except FileNotFoundError as error:
        raise RunFailedError(f"{output} is not committed: it has no {MANIFEST_FILE}") from error


def _quieten() -> None:
    """Keeps the libraries' logs from burying ours; ``--verbose`` shows them."""
    logging.getLogger().setLevel(logging.CRITICAL)
    for ours in ("deeplab", "transforms", "pipeline"):
        logging.getLogger(ours).setLevel(logging.WARNING)
    import_tensorflow_quietly()


def _check_inputs(patterns: Sequence[str]) -> None:
    if all(next(iter(list_images(pattern)), None) is None for pattern in patterns):
        raise UsageError(f"--input {' '.join(patterns)}: no image matches")


def _check_output(output: str) -> None:
    if storage.exists(storage.join(output, MANIFEST_FILE)):
        raise UsageError(f"{output} holds a committed run: give another --output")
    if storage.exists(storage.join(output, RUN_FILE)):
        raise UsageError(f"{output} holds a run that was not committed: give another --output")


def _start(output: str, run: RunRecord) -> None:
    try:
        created = storage.create_if_absent(storage.join(output, RUN_FILE), run.to_json())
    except OSError as error:
        raise UsageError(f"--output {output} cannot be written: {error}") from error
    if not created:
        raise UsageError(f"{output} holds another run that began just now: give another --output")


def _wait_for(pipeline: beam.Pipeline, *, verbose: bool) -> None:
    try:
        pipeline.run().wait_until_finish()
    except Exception as error:
        if verbose:
            raise
        raise RunFailedError(_root_message(error)) from error


def _root_message(error: BaseException) -> str:
    """The last line of what a worker raised: Beam wraps whole tracebacks into its message."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    errors = [line for line in lines if "Error" in line and not line.startswith("File ")]
    return (errors or lines or [type(error).__name__])[-1]
