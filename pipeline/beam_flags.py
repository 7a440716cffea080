"""Beam's own flags: which there are, which runner is the default, which ones lose data."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence

from apache_beam.options.pipeline_options import (
    DebugOptions,
    DirectOptions,
    PipelineOptions,
    PortableOptions,
    SetupOptions,
    StandardOptions,
    WorkerOptions,
    _BeamArgumentParser,
)

from beam_deeplab.deeplab.engines import available_cores
from beam_deeplab.pipeline.options import UsageError
from beam_deeplab.pipeline.runner_checks import parse_flags
from beam_deeplab.transforms import storage

LOCAL_RUNNERS = ("FnApiRunner", "DirectRunner", "BundleBasedDirectRunner", "PrismRunner")

_JOB_SECONDS = 30 * 24 * 3600
"""How long a job may run. Beam's ``--job_server_timeout`` of 300 s is for its requests, and one of
these lasts as long as the job: Prism ends every longer one."""

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
    """Refuses what neither we nor Beam know, instead of ignoring it.

    Args:
        flags: What our own parser left over.
        our_flags: Names of our flags, for the hint.

    Raises:
        UsageError: A flag is unknown; the message names the closest one.
    """
    known = beam_flag_names()
    previous_takes_value = False
    for flag in flags:
        name, equals, _ = flag.partition("=")
        if not name.startswith("--"):
            if not previous_takes_value:
                raise UsageError(f"unexpected argument {flag!r}: see --help")
            continue
        if name not in known:
            closest = difflib.get_close_matches(name, [*our_flags, *known], n=1, cutoff=0.5)
            hint = f"did you mean {closest[0]}?" if closest else "see --help"
            raise UsageError(f"unknown flag {name}: {hint}")
        previous_takes_value = not equals


def pipeline_options(flags: Sequence[str], workers: int | None = None) -> PipelineOptions:
    """Beam's options for these flags, local and in one process unless a runner is named.

    Args:
        flags: Beam's flags.
        workers: Threads or processes of a local run; None for Beam's own flag, and without that
            for :func:`default_workers`.

    Raises:
        UsageError: A flag's value is none; or the runner, or its running mode, is known to lose
            data.
    """
    options = parse_flags(flags)
    if not any(re.match("--job[_-]server[_-]timeout", flag) for flag in flags):
        options.view_as(PortableOptions).job_server_timeout = _JOB_SECONDS
    setup = options.view_as(SetupOptions)
    setup.beam_plugins = [*(setup.beam_plugins or ()), _WORKER_SIGNALS]
    direct = options.view_as(DirectOptions)
    if workers is not None or not any(flag.startswith("--direct_num_workers") for flag in flags):
        direct.direct_num_workers = workers or default_workers()
    standard = options.view_as(StandardOptions)
    if standard.runner is None:
        standard.runner = "FnApiRunner"
    runner = standard.runner.rsplit(".", 1)[-1]
    if runner in _REFUSED_RUNNERS:
        raise UsageError(f"--runner={runner} is not offered: {_REFUSED_RUNNERS[runner]}")
    if direct.direct_running_mode == "multi_threading":
        raise UsageError(
            "--direct_running_mode=multi_threading silently loses elements in this version of "
            "Beam: use in_memory (threads all the same) or multi_processing"
        )
    return options


def is_local(uri: str) -> bool:
    """Whether a path names this machine's file system: it has no scheme but ``file://``."""
    return not storage.scheme(uri)


def runs_here(options: PipelineOptions) -> bool:
    """Whether the runner keeps to this machine, so that local paths have a meaning."""
    standard = options.view_as(StandardOptions)
    runner = str(standard.runner).rsplit(".", 1)[-1]
    return runner in LOCAL_RUNNERS or runner == "PortableRunner"


def check_reachable(options: PipelineOptions, paths: Iterable[str]) -> None:
    """Refuses local paths for workers that run elsewhere.

    Raises:
        UsageError: A path is local and the runner is not.
    """
    if runs_here(options):
        return
    for path in paths:
        if is_local(path):
            raise UsageError(
                f"{path} is on this machine, and the workers of "
                f"{options.view_as(StandardOptions).runner} are not: give a gs:// path"
            )


def default_workers() -> int:
    """Threads of a local run: one a core, so that some decode while the network runs for others."""
    return available_cores()


def engine_threads(options: PipelineOptions) -> int | None:
    """Cores that each process may compute on; None for all that it sees.

    Threads of one process share its engine. Processes that share a machine each have their own,
    and would fight for its cores: locally with ``multi_processing``, and on Dataflow, which
    starts one process a vCPU unless told otherwise.
    """
    if runs_here(options):
        direct = options.view_as(DirectOptions)
        if direct.direct_running_mode == "multi_processing":
            return max(1, available_cores() // worker_count(options))
        return None
    experiments = options.view_as(DebugOptions).experiments or []
    return None if "no_use_multiple_sdk_containers" in experiments else 1


def worker_count(options: PipelineOptions) -> int:
    """How many workers will share the run, as far as the flags say."""
    if runs_here(options):
        return options.view_as(DirectOptions).direct_num_workers or available_cores()
    workers = options.view_as(WorkerOptions)
    return int(workers.max_num_workers or workers.num_workers or 1)
