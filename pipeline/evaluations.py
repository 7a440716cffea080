"""An evaluation's output: refused, cleared, and read again."""

from __future__ import annotations

import json
from typing import Any

from beam_deeplab.pipeline.options import RunFailedError, UsageError
from beam_deeplab.transforms import storage
from beam_deeplab.transforms.evaluating.committing import (
    METRICS_FILE,
    REPORT_FILES,
    remove_shards,
)
from beam_deeplab.transforms.runs.manifest import MANIFEST_FILE, RUN_FILE


def check_evaluation_output(output: str, *, overwrite: bool) -> None:
    """Refuses an output that holds masks, or an evaluation that is not to be overwritten.

    Raises:
        UsageError: It holds one, or nothing can be written there.
    """
    try:
        storage.check_writable(output)
        for name in (RUN_FILE, MANIFEST_FILE):
            if storage.exists(storage.join(output, name)):
                raise UsageError(
                    f"{output} holds a run of `segment`: give another --output for its evaluation"
                )
        if not overwrite and storage.exists(storage.join(output, METRICS_FILE)):
            raise UsageError(
                f"{output} holds an evaluation: give another --output, or --overwrite to start anew"
            )
    except OSError as error:
        raise UsageError(f"--output: {storage.describe(error)}") from error


def clear_evaluation(output: str) -> None:
    """Removes the evaluation that stands in an output, also one that never ended.

    ``metrics.json`` goes first, so that nothing half removed is called an evaluation. Without it
    only what is left of shards is removed, which nothing else is named like.

    Raises:
        UsageError: ``metrics.json`` is not ours, or a file cannot be removed.
    """
    file = storage.join(output, METRICS_FILE)
    try:
        if storage.exists(file):
            read_metrics(output)
            storage.delete(file)
            for name in REPORT_FILES:
                storage.delete(storage.join(output, name))
        remove_shards(output)
    except RunFailedError as error:
        raise UsageError(f"--output: {error}") from error
    except OSError as error:
        raise UsageError(f"--output: {storage.describe(error)}") from error


def read_metrics(output: str) -> dict[str, Any]:
    """What ``metrics.json`` holds.

    Raises:
        RunFailedError: It is not there, or is not one of ours.
    """
    file = storage.join(output, METRICS_FILE)
    try:
        metrics = json.loads(storage.read(file))
    except FileNotFoundError as error:
        raise RunFailedError(f"{output} holds no evaluation: it has no {METRICS_FILE}") from error
    except ValueError as error:
        raise RunFailedError(f"{file} is not a file of beam-deeplab: {error}") from error
    if not isinstance(metrics, dict) or not {"format_version", "run_id", "miou"} <= metrics.keys():
        raise RunFailedError(f"{file} is not a file of beam-deeplab")
    return metrics
