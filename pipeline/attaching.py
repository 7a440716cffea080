"""Following a run that somebody else has started, to its end."""

from __future__ import annotations

import time
from collections.abc import Sequence
from threading import Event
from typing import Final

from apache_beam.options.pipeline_options import PipelineOptions

from beam_deeplab.pipeline.beam_flags import pipeline_options
from beam_deeplab.pipeline.options import RunFailedError, UsageError, refusing
from beam_deeplab.pipeline.progress.display import look_seconds, watch
from beam_deeplab.pipeline.runs import read_manifest
from beam_deeplab.pipeline.terminal import say
from beam_deeplab.pipeline.writers import Pulse, describe_writer, find_writer, holder, how_to_cancel
from beam_deeplab.transforms import storage
from beam_deeplab.transforms.runs.manifest import RUN_FILE, Manifest
from beam_deeplab.transforms.runs.writer import Writer, is_committed_by

_MOST_SILENCE: Final = 600.0
"""Seconds for which a storage or a runner may not answer before it is given up."""


def attach(output: str, beam_arguments: Sequence[str] = (), *, quiet: bool) -> Manifest:
    """Follows the run that is at work in an output; where none is, says how the last one ended.

    By Beam's flags a cloud is signed in to.

    Raises:
        UsageError: There is no run.
        RunFailedError: It ended without a commit.
        KeyboardInterrupt: A signal has ended the following; the run goes on.
    """
    options = pipeline_options(beam_arguments)
    with refusing("--output", OSError):
        writer, _ = find_writer(output, options)
        if writer is None:
            if not storage.exists(storage.join(output, RUN_FILE)):
                raise UsageError(f"--attach: {output} holds no run, and nobody writes there")
            return read_manifest(output)
    if not quiet:
        say(f"following {describe_writer(writer)}, begun {writer.started}")
    try:
        with watch(output, quiet=quiet):
            last = _follow(output, options, writer)
            _check_committed(output, last)
    except KeyboardInterrupt as interruption:
        raise KeyboardInterrupt(
            f"{describe_writer(writer)} goes on; --attach follows it again"
            f"{how_to_cancel(writer, ', and to cancel it use ')}"
        ) from interruption
    return read_manifest(output)


def _follow(output: str, options: PipelineOptions, writer: Writer) -> Writer:
    """Returns when a run has ended, with what its note said last."""
    pulse = Pulse(output, options)
    answered = time.monotonic()
    while True:
        try:
            held = holder(output)
            # It has given way to another run, or ended; a job may have taken its process's place.
            if held is None or held[1].started != writer.started:
                return writer
            name, writer = held
            if pulse.lives(name, writer) is False:
                return writer
            answered = time.monotonic()
        except (OSError, UsageError) as error:
            if time.monotonic() - answered > _MOST_SILENCE:
                raise RunFailedError(str(error)) from error
        Event().wait(look_seconds(output))


def _check_committed(output: str, writer: Writer) -> None:
    try:
        if is_committed_by(output, writer.started):
            return
    except (OSError, ValueError) as error:
        raise RunFailedError(str(error)) from error
    raise RunFailedError(
        f"{describe_writer(writer)} ended without a commit: nothing finished is lost, --resume "
        "continues"
    )
