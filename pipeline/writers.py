"""One output, one writer: who holds it, whether that one lives, and holding it for a run."""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import time
from collections.abc import Collection, Iterator
from dataclasses import asdict, replace
from typing import Final, NoReturn

from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.runner import PipelineState

from beam_deeplab.pipeline import stopping
from beam_deeplab.pipeline.options import UsageError, refusing
from beam_deeplab.pipeline.remote_jobs import RemoteJob, state_of, why
from beam_deeplab.pipeline.terminal import say
from beam_deeplab.transforms import storage
from beam_deeplab.transforms.runs import attempts
from beam_deeplab.transforms.runs.writer import (
    Writer,
    give_up,
    notes,
    process_lives,
    read_note,
    take,
    this_process,
)

_LOGGER = logging.getLogger(__name__)

PERIOD: Final = 10.0
"""Seconds between two heartbeats."""

PATIENCE: Final = 60.0
"""Seconds without one after which a writer counts as dead that cannot be asked."""

_SAYING: Final = 2.5
"""Periods without a heartbeat after which is said what is waited for."""

_END_SECONDS: Final = 5.0


def describe_writer(writer: Writer) -> str:
    """Who it is, for people."""
    job = job_of(writer)
    return f"process {writer.pid} on {writer.host}" if job is None else f"job {job}"


def job_of(writer: Writer) -> RemoteJob | None:
    """The job that writes in place of its launcher, if one does."""
    return None if writer.job is None else RemoteJob(**writer.job)


def how_to_cancel(writer: Writer, words: str) -> str:
    """Words and then what a person does to end a writer that is a job; else nothing."""
    job = job_of(writer)
    return "" if job is None else f"{words}{job.how_to_cancel}"


def holder(output: str) -> tuple[str, Writer] | None:
    """The name and the content of the note of who holds an output; None if nobody does.

    Raises:
        UsageError: What stands there is no note of ours.
        OSError: It cannot be read.
    """
    for name in reversed(notes(output)):
        try:
            writer = read_note(output, name)
            if writer is not None:
                job_of(writer)
        except (ValueError, TypeError) as error:
            raise UsageError(
                f"{attempts.note_uri(output, name)} is not a file of beam-deeplab: remove it if "
                f"nobody writes to {output}"
            ) from error
        if writer is not None:
            return name, writer
    return None


class Pulse:
    """Whether an output's writer lives, as far as can be told from here, asked again and again."""

    def __init__(self, output: str, options: PipelineOptions) -> None:
        self._output = output
        self._options = options
        self._heartbeat: tuple[str, str] | None = None
        self._since = time.monotonic()
        self._beats = False

    @property
    def silence(self) -> float:
        """Seconds for which no heartbeat has come."""
        return time.monotonic() - self._since

    def lives(self, name: str, writer: Writer) -> bool | None:
        """Whether it lives; None where only a heartbeat could tell, and none has come yet.

        Raises:
            UsageError: Its runner cannot be asked.
            OSError: The output cannot be looked at.
        """
        uri = attempts.note_uri(self._output, name)
        job = job_of(writer)
        if job is not None:
            try:
                return not PipelineState.is_terminal(state_of(job, self._options))
            except Exception as error:
                raise UsageError(
                    f"job {job}, begun {writer.started}, may still write to {self._output}, and "
                    f"cannot be asked ({why(error)}): cancel it, or remove {uri} once it has ended"
                ) from error
        known = process_lives(writer)
        if known is not None:
            return known
        heartbeat = uri, storage.versions([uri])[0].version
        if heartbeat != self._heartbeat:
            self._beats = self._heartbeat is not None
            self._heartbeat, self._since = heartbeat, time.monotonic()
        if self.silence > PATIENCE:
            return False
        return self._beats or None


def find_writer(output: str, options: PipelineOptions) -> tuple[Writer | None, frozenset[Writer]]:
    """Who writes an output now.

    That a process of another machine is dead shows only by its silence, which may take
    :data:`PATIENCE`; all else is known at once.

    Returns:
        The writer that lives, or None; and those that have left their notes and live no more.

    Raises:
        UsageError: That cannot be told.
        OSError: The output cannot be read.
    """
    pulse = Pulse(output, options)
    is_said = False
    while (held := holder(output)) is not None:
        name, writer = held
        lives = pulse.lives(name, writer)
        if lives:
            return writer, frozenset()
        if lives is False:
            left = (read_note(output, each) for each in notes(output))
            return None, frozenset(each for each in left if each is not None)
        if not is_said and pulse.silence > _SAYING * PERIOD:
            is_said = True
            say(
                f"{describe_writer(writer)}, begun {writer.started}, gives no sign of life; it "
                f"counts as dead after {PATIENCE:g} s"
            )
        threading.Event().wait(PERIOD / 10)
    return None, frozenset()


def check_free(
    output: str, options: PipelineOptions, *, advice: str = "let it end, or end it first"
) -> frozenset[Writer]:
    """Refuses an output that somebody writes, or that nobody can write; gives its dead writers.

    Raises:
        UsageError: It is not free; the message says who writes it.
    """
    with refusing("--output", OSError):
        storage.check_writable(output)
        writer, dead = find_writer(output, options)
    if writer is not None:
        raise UsageError(
            f"{describe_writer(writer)}, begun {writer.started}, still writes to {output}: "
            f"{advice}{how_to_cancel(writer, ' with ')}"
        )
    return dead


class Claim:
    """An output that this process writes, and nobody else meanwhile; ``name`` is of its note."""

    def __init__(self, output: str, name: str, writer: Writer) -> None:
        self.name = name
        self._output = output
        self._writer = writer
        self._is_left = False
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="heartbeat", daemon=True)
        self._thread.start()

    def hand_over(self, job: RemoteJob) -> None:
        """Lets a job hold the output in place of this process, which may be lost from now on.

        Raises:
            OSError: That cannot be noted.
        """
        self._ended.set()
        self._thread.join()  # a late heartbeat would write over the note
        self._is_left = True
        self._write(replace(self._writer, job=asdict(job)))

    def take_back(self) -> None:
        """The job has ended."""
        self._is_left = False

    def release(self) -> None:
        """Gives the output free, unless a job holds it."""
        self._ended.set()
        self._thread.join(_END_SECONDS)
        if not self._is_left:
            give_up(self._output, self.name)

    def _write(self, writer: Writer) -> None:
        storage.write_atomically(attempts.note_uri(self._output, self.name), writer.to_json())

    def _beat(self) -> None:
        while not self._ended.wait(PERIOD):
            try:
                standing = notes(self._output)
                if standing and standing[-1] != self.name:
                    _give_way(self._output)
                # Where none stands, a commit has removed it: there is nothing more to write.
                if standing and not self._ended.is_set():
                    self._write(self._writer)
            except OSError:
                _LOGGER.debug("No heartbeat in %s", self._output, exc_info=True)


def _give_way(output: str) -> NoReturn:
    """Ends this process at once: it was silent for so long that somebody else counts it dead."""
    attempts.let_go()
    stopping.end_children()
    say(f"another run writes {output} now, since this one gave no sign of life: it ends here")
    os._exit(1)


@contextlib.contextmanager
def writing(
    output: str, options: PipelineOptions, started: str, dead: Collection[Writer]
) -> Iterator[Claim]:
    """Holds an output, as free as :func:`check_free` found it, for a context or a job in it.

    Raises:
        UsageError: Somebody else has taken it meanwhile, or it cannot be written.
    """
    writer = this_process(started)
    with refusing("--output", OSError, ValueError):
        name = take(output, writer, dead)
        if name is None:
            name = take(output, writer, check_free(output, options))
    if name is None:
        raise UsageError(f"another run has begun in {output} just now")
    claim = Claim(output, name, writer)
    try:
        yield claim
    finally:
        with contextlib.suppress(OSError):
            claim.release()
