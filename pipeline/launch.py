"""Running a job on whatever runner, and an end that is one line for people."""

from __future__ import annotations

import logging
import os

import apache_beam as beam

from beam_deeplab.pipeline.options import RunFailedError
from beam_deeplab.transforms import storage


def set_verbosity(*, verbose: bool) -> None:
    """Keeps the libraries' logs from burying ours, unless they are asked for."""
    if verbose:
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "0")
        return
    logging.getLogger().setLevel(logging.CRITICAL)
    logging.getLogger("beam_deeplab").setLevel(logging.WARNING)


def run_to_end(
    pipeline: beam.Pipeline,
    *,
    verbose: bool,
    advice: str = "nothing finished is lost: --resume continues",
) -> None:
    """Runs a pipeline and waits for it.

    Args:
        pipeline: The whole job.
        verbose: Whether a failure keeps its traceback.
        advice: What to do after a failure, for its message.

    Raises:
        RunFailedError: It failed; the message is what its worker raised, in one line.
        KeyboardInterrupt: It was interrupted, also where Beam calls that a step's failure.
    """
    try:
        pipeline.run().wait_until_finish()
    except Exception as error:
        if KeyboardInterrupt.__name__ in str(error):
            # With one worker it strikes a step, and Beam reports it as that step's failure.
            raise KeyboardInterrupt from error
        if verbose:
            raise
        raise RunFailedError(f"{_root_message(error)} ({advice}; --verbose shows more)") from error


def _root_message(error: BaseException) -> str:
    """What a worker raised, in one line: Beam wraps whole tracebacks into its messages."""
    if isinstance(error, OSError) and error.filename:
        return storage.describe(error)
    lines = [line.strip() for line in str(error).splitlines()]
    lines = [line for line in lines if line and not line.startswith("[while running")]
    errors = [line for line in lines if "Error" in line and not line.startswith("File ")]
    return (errors or lines or [type(error).__name__])[-1]
