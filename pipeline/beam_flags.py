"""Beam's own flags: which there are, which runner is the default, which ones are refused."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence

from apache_beam.options.pipeline_options import (
    DirectOptions,
    PipelineOptions,
    PortableOptions,
    SetupOptions,
    StandardOptions,
    _BeamArgumentParser,
)

from beam_deeplab.pipeline.job_services import check_value, runner_flags
from beam_deeplab.pipeline.options import UsageError
from beam_deeplab.pipeline.options.runner_flags import RUNNER_FLAGS, Kind
from beam_deeplab.pipeline.runner_checks import parse_flags
from beam_deeplab.pipeline.workers import known_runner, runner_name, set_worker_count

_JOB_SECONDS = 30 * 24 * 3600
"""How long a job may run. Beam's ``--job_server_timeout`` of 300 s is for its requests, and one of
these lasts as long as the job: Prism ends every longer one."""

_FLINK_CACHE_MILLIS = 500
"""For how long Flink keeps workers where no stage runs, so that they live through a shuffle: half
as many start, at 2 CPU seconds each. Kept for longer than its pause before a restart (1 s unless
its configuration says otherwise), one that has died would be taken again at each."""

_WORKER_SIGNALS = "beam_deeplab.transforms.runs.worker_signals"

_REFUSED_RUNNERS = {
    "DaskRunner": "it drops what a step emits at the end of a bundle and writes empty files",
}


def beam_flag_names() -> list[str]:
    """Every flag that some part of Beam knows."""
    parser = _BeamArgumentParser(add_help=False)
    for options in PipelineOptions.__subclasses__():
        options._add_argparse_args(parser)
    return [name for action in parser._actions for name in action.option_strings]


def check_flags(flags: Sequence[str], our_flags: Iterable[str]) -> None:
    """Refuses what neither we nor Beam nor the runner know, instead of ignoring it.

    Raises:
        UsageError: A flag is unknown, and the message names the closest one; or the runner, which
            is asked about flags that are its own, does not answer.
    """
    known = beam_flag_names()
    theirs: Mapping[str, Kind] | None = None
    previous_takes_value = False
    for flag, following in zip(flags, [*flags[1:], None], strict=True):
        name, equals, value = flag.partition("=")
        if not name.startswith("--"):
            if not previous_takes_value:
                raise UsageError(f"unexpected argument {flag!r}: see --help")
            continue
        previous_takes_value = not equals
        if name in known:
            continue
        if theirs is None:
            theirs = runner_flags(parse_flags(flags))
        if name not in theirs:
            closest = difflib.get_close_matches(
                name, [*our_flags, *known, *theirs], n=1, cutoff=0.5
            )
            hint = f"did you mean {closest[0]}?" if closest else "see --help"
            raise UsageError(f"unknown flag {name}: {_of_another_runner(name) or hint}")
        check_value(name, theirs[name], value if equals else following)


def _of_another_runner(flag: str) -> str:
    runners = [runner for runner, flags in RUNNER_FLAGS.items() if flag in flags]
    return f"it is for {' and '.join(runners)}" if runners else ""


def pipeline_options(flags: Sequence[str], workers: int | None = None) -> PipelineOptions:
    """Beam's options for these flags, local and in one process unless a runner is named.

    Raises:
        UsageError: A flag's value is none; there is no such runner, or it, or its running mode,
            is known to lose data; or streaming is asked for.
    """
    options = parse_flags(flags)
    if not any(re.match("--job[_-]server[_-]timeout", flag) for flag in flags):
        options.view_as(PortableOptions).job_server_timeout = _JOB_SECONDS
    setup = options.view_as(SetupOptions)
    setup.beam_plugins = [*(setup.beam_plugins or ()), _WORKER_SIGNALS]
    standard = options.view_as(StandardOptions)
    standard.runner = standard.runner or "FnApiRunner"
    runner = runner_name(options)
    if runner in _REFUSED_RUNNERS:
        raise UsageError(f"--runner={runner} is not offered: {_REFUSED_RUNNERS[runner]}")
    standard.runner = known_runner(standard.runner)
    if options.view_as(DirectOptions).direct_running_mode == "multi_threading":
        raise UsageError(
            "--direct_running_mode=multi_threading silently loses elements in this version of "
            "Beam: use in_memory (threads all the same) or multi_processing"
        )
    if standard.streaming:
        raise UsageError("--streaming: this job reads what is there and ends: leave the flag out")
    given = {flag.partition("=")[0] for flag in flags}
    if runner == "FlinkRunner" and "--environment_cache_millis" not in given:
        options.view_as(PortableOptions).environment_cache_millis = _FLINK_CACHE_MILLIS
    set_worker_count(options, workers, given)
    return options
