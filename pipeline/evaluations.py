"""An evaluation's output: refused, cleared, and read again."""

from __future__ import annotations

import json
from typing import Any

from beam_deeplab.pipeline.options import RunFailedError, UsageError, refusing
from beam_deeplab.pipeline.runs import remove_run
from beam_deeplab.transforms import storage
from beam_deeplab.transforms.evaluating.committing import METRICS_FILE, PAIRS_FILE, REPORT_FILES
from beam_deeplab.transforms.runs.manifest import MANIFEST_FILE, RUN_FILE

SEGMENTED = "segmented"
"""Below the output: the run of `segment` whose masks are scored."""


def check_evaluation_output(output: str, *, resume: bool, overwrite: bool) -> None:
    """Refuses an output that holds masks, or an evaluation that is not to be touched.

    Raises:
        UsageError: It holds one, or something that is not ours.
    """
    with refusing("--output", OSError, RunFailedError):
        for name in (RUN_FILE, MANIFEST_FILE):
            if storage.exists(storage.join(output, name)):
                raise UsageError(
                    f"{output} holds a run of `segment`: give another --output for its evaluation"
                )
        is_finished = storage.exists(storage.join(output, METRICS_FILE))
        if is_finished:
            read_metrics(output)
        if resume or overwrite:
            return
        if is_finished:
            raise UsageError(
                f"{output} holds an evaluation: give another --output, --resume to score its masks "
                "again, or --overwrite to start anew"
            )
        if storage.exists(storage.join(output, PAIRS_FILE)):
            raise UsageError(
                f"{output} holds an evaluation that did not end: --resume continues it, "
                "--overwrite starts anew"
            )


def clear_evaluation(output: str, *, resume: bool) -> None:
    """Removes the evaluation that stands in an output, also one that never ended.

    ``metrics.json`` goes first, so that nothing half removed is called an evaluation. A resume
    keeps the masks, and what is about to be written over.

    Raises:
        UsageError: A file cannot be removed.
    """
    with refusing("--output", OSError):
        is_ours = any(
            storage.exists(storage.join(output, name)) for name in (METRICS_FILE, PAIRS_FILE)
        )
        storage.delete(storage.join(output, METRICS_FILE))
        if is_ours and not resume:
            remove_run(storage.join(output, SEGMENTED))
            for name in reversed(REPORT_FILES):
                storage.delete(storage.join(output, name))


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
