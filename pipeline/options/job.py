"""The flags of every command that runs a Beam job: workers, failures, how much is said."""

from __future__ import annotations

import argparse
import textwrap
from dataclasses import dataclass

from beam_deeplab.pipeline.options.runner_flags import RUNNER_FLAGS
from beam_deeplab.pipeline.options.values import FlagOptions, positive


def _flags_of(runner: str) -> str:
    flags = " ".join(sorted(RUNNER_FLAGS[runner]))
    return textwrap.fill(flags, 96, initial_indent="  ", subsequent_indent="  ")


BEAM_NOTE = f"""\
Every flag of Apache Beam is accepted too, for instance
  --runner=DataflowRunner --project=P --region=R --temp_location=gs://bucket/tmp
  --runner=FlinkRunner --job_endpoint=HOST:8099 --parallelism=16
  --direct_num_workers=4 --direct_running_mode=multi_processing
Without --runner the job runs here, in this process. With --job_endpoint its job service is asked
for the flags of its own; without, these are known:
FlinkRunner:
{_flags_of("FlinkRunner")}
SparkRunner:
{_flags_of("SparkRunner")}
Exit codes: 0 committed, 1 the run failed, 2 a flag or an argument is wrong, 130 interrupted, 143
ended by SIGTERM."""


@dataclass(frozen=True)
class RunnerOptions(FlagOptions):
    """How any job shall run."""

    workers: int | None = None
    shared_paths: bool = False
    quiet: bool = False
    verbose: bool = False


@dataclass(frozen=True)
class JobOptions(RunnerOptions):
    """How a job with a network in it shall run."""

    engine_threads: int | None = None
    accelerator: str | None = None
    allow_cpu: bool = False
    min_ram_per_worker: str | None = None
    max_failure_fraction: float = 0.01

    def resource_hints(self) -> dict[str, str]:
        """Beam's resource hints for the workers, those that were given."""
        hints = {"accelerator": self.accelerator, "min_ram": self.min_ram_per_worker}
        return {name: value for name, value in hints.items() if value is not None}


def add_runner_flags(parser: argparse.ArgumentParser) -> argparse._ArgumentGroup:
    """Adds the flags of :class:`RunnerOptions`, and says in the help that Beam's are taken too.

    Returns:
        The group, for a command's own flags of this kind.
    """
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = BEAM_NOTE
    job = parser.add_argument_group("the run")
    job.add_argument(
        "--workers",
        type=positive,
        metavar="N",
        help="threads of a local run, or processes with --direct_running_mode=multi_processing; on "
        "Flink the --parallelism (default: what suits this machine)",
    )
    job.add_argument(
        "--shared_paths",
        action="store_true",
        help="workers on other machines see the same files under the local paths given here",
    )
    job.add_argument("--quiet", action="store_true", help="no progress and no summary")
    job.add_argument(
        "--verbose", action="store_true", help="show the libraries' logs, tracebacks included"
    )
    return job


def add_job_flags(parser: argparse.ArgumentParser) -> argparse._ArgumentGroup:
    """Adds the flags of :class:`JobOptions`, those of :func:`add_runner_flags` among them.

    Returns:
        The group, for a command's own flags of this kind.
    """
    job = add_runner_flags(parser)
    job.add_argument(
        "--engine_threads",
        type=positive,
        metavar="N",
        help="cores that the network of each worker process computes on (default: all that it "
        "sees, and 1 where several processes share a machine)",
    )
    job.add_argument(
        "--accelerator",
        metavar="HINT",
        help="GPU of remote workers: type:nvidia-tesla-t4;count:1;install-nvidia-driver. Beam's "
        "--resource_hints=accelerator=... and Dataflow's worker_accelerator say the same",
    )
    job.add_argument(
        "--allow_cpu",
        action="store_true",
        help="let a remote worker without the GPU that was asked for compute on its CPU, instead "
        "of failing",
    )
    job.add_argument(
        "--min_ram_per_worker",
        metavar="HINT",
        help="resource hint for remote workers: 16GB",
    )
    job.add_argument(
        "--max_failure_fraction",
        type=_fraction,
        default=0.01,
        metavar="F",
        help="exit with 1 if more than this share of the images failed; what succeeded is "
        "committed either way (default %(default)s)",
    )
    return job


def _fraction(text: str) -> float:
    value = float(text)
    if not 0 <= value <= 1:
        raise ValueError(text)
    return value
