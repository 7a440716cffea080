"""The console script: whatever happens ends in one line on stderr and an exit code.

It imports nothing that takes time before it can answer an interrupt.
"""

from __future__ import annotations

import io
import os
import sys
import threading
from collections.abc import Sequence

from beam_deeplab.pipeline import stopping
from beam_deeplab.pipeline.terminal import say

FAILED = 1
USAGE = 2


def console(argv: Sequence[str] | None = None) -> int:
    """The console script: :func:`main`, behind which no thread has anything more to say.

    Threads that serve a runner fail when that goes, and it goes when the program ends.
    """
    threading.excepthook = lambda _: None
    return main(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a command (:func:`pipeline.commands.run`).

    Args:
        argv: The arguments after the program's name; None for those of this process.

    Returns:
        The exit code: 0 done, 1 the run failed, 2 a flag or an argument is wrong. A program that
        a signal ends exits with 128 and its number.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A terminal that lacks a character is no reason to fail behind a finished run.
        sys.stdout.reconfigure(errors="backslashreplace")
    with stopping.as_interrupts():
        # What is raised in a callback, as the import of a module has some, is not handed on.
        sys.unraisablehook = _unraisable
        before, threading.excepthook = threading.excepthook, _in_thread
        try:
            return _run(sys.argv[1:] if argv is None else argv)
        except BaseException as error:
            if stopping.received() is None and not isinstance(error, KeyboardInterrupt):
                raise
            advice = str(error) if isinstance(error, KeyboardInterrupt) else ""
            stopping.end(advice)
        finally:
            sys.unraisablehook = sys.__unraisablehook__
            threading.excepthook = before


def _unraisable(unraisable: sys.UnraisableHookArgs) -> None:
    if issubclass(unraisable.exc_type, KeyboardInterrupt):
        stopping.end()
    sys.__unraisablehook__(unraisable)


def _in_thread(arguments: threading.ExceptHookArgs) -> None:
    """What threads raise once the program ends, such as that workers are gone, is no news."""
    if stopping.received() is None:
        threading.__excepthook__(arguments)


def _run(argv: Sequence[str]) -> int:
    # gRPC reports every fork beside its threads, which is how worker processes start.
    os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
    from beam_deeplab.pipeline.commands import run
    from beam_deeplab.pipeline.options import RunFailedError, UsageError

    try:
        return run(argv)
    except UsageError as error:
        say(str(error), *error.details)
        return USAGE
    except RunFailedError as error:
        say(str(error))
        return FAILED
