"""Running a job on whatever runner, and an end that is one line for people."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import threading
from typing import Final, NoReturn

import apache_beam as beam
import psutil
from apache_beam.runners.runner import PipelineResult, PipelineState
from apache_beam.runners.worker import sdk_worker

from beam_deeplab.pipeline import stopping
from beam_deeplab.pipeline.options import RunFailedError
from beam_deeplab.pipeline.remote_jobs import RemoteJob, describe_job
from beam_deeplab.pipeline.root_causes import root_cause
from beam_deeplab.pipeline.terminal import safe_line, say
from beam_deeplab.pipeline.writers import Claim
from beam_deeplab.transforms import storage
from beam_deeplab.transforms.runs import attempts

_LOGGER = logging.getLogger(__name__)

SECOND_THOUGHTS: Final = 10.0
"""Seconds in which a second interrupt cancels a remote job."""

_END_SECONDS: Final = 5.0
"""For worker processes to take back their notes."""

_DEADLINE: Final = "raise --job_server_timeout, which some runners take for the run's own"
_WHAT_HELPS: Final = {
    # Which of the two comes first at a deadline is chance.
    "DEADLINE_EXCEEDED": _DEADLINE,
    "CANCELLED: Stream removed": _DEADLINE,
    # All that Flink lets through of a wait for slots.
    "TimeoutException: Timeout has occurred": "if too few task slots are free, start more, or "
    "lower --parallelism",
}
"""By what a cause begins with."""

_UNWINDING_SECONDS: Final = 3.0
"""Within which an interrupt must have left the runner, which may wait for all that its threads
have begun, or swallow the interrupt."""


class _SafeFormatter(logging.Formatter):
    """One line for each record: what is logged names files too."""

    def format(self, record: logging.LogRecord) -> str:
        return safe_line(record.getMessage())


def set_verbosity(*, verbose: bool) -> None:
    """Keeps the libraries' logs from burying ours, unless they are asked for."""
    if verbose:
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "0")
        return
    # What ends workers that are threads of ours is said by the job's end, once.
    threading.excepthook = _log_end_of_thread
    # It prints each traceback.
    vars(sdk_worker)["print"] = lambda *_, **__: None
    logging.getLogger().setLevel(logging.CRITICAL)
    logging.getLogger("beam_deeplab").setLevel(logging.WARNING)
    if logging.lastResort is not None:
        logging.lastResort.setFormatter(_SafeFormatter())


def _log_end_of_thread(end: threading.ExceptHookArgs) -> None:
    _LOGGER.debug("A thread has ended", exc_info=end.exc_value)


def run_to_end(
    pipeline: beam.Pipeline,
    claim: Claim,
    *,
    quiet: bool,
    verbose: bool,
    advice: str = "nothing finished is lost: --resume continues",
) -> None:
    """Runs a pipeline and waits for it.

    A job that lives on a runner of its own holds the output for as long as it may write. With
    ``verbose`` a failure keeps its traceback; ``advice`` is what to do after one.

    Raises:
        RunFailedError: It failed; the message is what its worker raised, in one line.
        KeyboardInterrupt: A signal has ended it, also where Beam calls that a step's failure; for
            a remote job the message says what becomes of it.
    """
    result: PipelineResult | None = None
    job: RemoteJob | None = None
    # Workers, whom Beam would wait for, and Prism.
    ending: list[psutil.Process] = []
    unwound = threading.Event()

    def end_anyway() -> None:
        if not unwound.wait(_UNWINDING_SECONDS) and job is None:
            attempts.let_go()
            _wait_for(ending)
            stopping.end(stopping.RESUME)

    def at_once() -> None:
        ending.extend(stopping.end_children())
        threading.Thread(target=end_anyway, daemon=True).start()

    try:
        with stopping.doing_at_once(at_once):
            result = pipeline.run()
            job = describe_job(result, pipeline.options)
            if job is not None:
                if job.lives_alone:
                    claim.hand_over(job)
                if not quiet:
                    say(f"job {job}")
            result.wait_until_finish()
    except BaseException as error:
        unwound.set()
        if stopping.received() is not None or isinstance(error, KeyboardInterrupt):
            attempts.let_go()
            _wait_for(ending)
            if job is not None and result is not None:
                _leave(result, job)
            raise KeyboardInterrupt from error
        if verbose or not isinstance(error, Exception):
            raise
        cause = _cause(error)
        # An error that names a flag has said itself what to do.
        more = "--verbose shows more" if " --" in cause else f"{advice}; --verbose shows more"
        raise RunFailedError(f"{cause} ({more})") from error
    finally:
        if job is not None and result is not None and _has_ended(result):
            claim.take_back()


def _wait_for(ending: list[psutil.Process]) -> None:
    """Returns once none can write any more."""
    _, alive = psutil.wait_procs(ending, _END_SECONDS)
    for process in alive:
        with contextlib.suppress(psutil.Error):
            process.kill()


def _has_ended(result: PipelineResult) -> bool:
    try:
        return bool(PipelineState.is_terminal(result.state))
    except Exception:  # a runner that cannot be asked may be at work
        return False


def _cause(error: Exception) -> str:
    if isinstance(error, OSError) and error.filename:
        return storage.describe(error)
    cause = root_cause(str(error)) or type(error).__name__
    what_helps = (words for begin, words in _WHAT_HELPS.items() if cause.startswith(begin))
    return "; ".join([cause, *what_helps])


def _leave(result: PipelineResult, job: RemoteJob) -> NoReturn:
    """Leaves a remote job alone, or cancels it if asked to once more."""
    if not job.lives_alone:
        _cancel(result, job)
    goes_on = f"job {job} goes on; to cancel it use {job.how_to_cancel}"
    if stopping.received() is not signal.SIGTERM:
        stopping.forget()
        try:
            say(f"{goes_on}, or interrupt once more within {SECOND_THOUGHTS:g} s")
            threading.Event().wait(SECOND_THOUGHTS)
        except KeyboardInterrupt:
            _cancel(result, job)
    raise KeyboardInterrupt(goes_on)


def _cancel(result: PipelineResult, job: RemoteJob) -> NoReturn:
    try:
        result.cancel()
    except Exception as error:
        raise KeyboardInterrupt(
            f"job {job} cannot be cancelled from here ({_cause(error)}): use {job.how_to_cancel}"
        ) from error
    raise KeyboardInterrupt(f"job {job} is cancelled; --resume continues once it has ended")
