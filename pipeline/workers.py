"""Where a job's workers run, how many they are, and what they share."""

from __future__ import annotations

import copy
import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Final

from apache_beam.options.pipeline_options import (
    DirectOptions,
    FlinkRunnerOptions,
    GoogleCloudOptions,
    PipelineOptions,
    PortableOptions,
    SparkRunnerOptions,
    StandardOptions,
    WorkerOptions,
)
from apache_beam.runners.portability.flink_runner import MAGIC_HOST_NAMES
from apache_beam.runners.portability.spark_runner import LOCAL_MASTER_PATTERN
from apache_beam.runners.runner import create_runner
from apache_beam.transforms.environments import (
    ProcessEnvironment,
    PythonLoopbackEnvironment,
    SubprocessSDKEnvironment,
)

from beam_deeplab.deeplab.engines import available_cores
from beam_deeplab.pipeline.accelerators import has_one_process
from beam_deeplab.pipeline.options import UsageError, refusing
from beam_deeplab.transforms import storage

EMBEDDED: Final = "embed"
"""A ``--job_endpoint`` that is no address: the job service of this process."""

_IN_PROCESS: Final = ("FnApiRunner", "BundleBasedDirectRunner")
_PORTABLE: Final = ("FlinkRunner", "PortableRunner", "PrismRunner", "SparkRunner")
_PRISM: Final = ("DirectRunner", "PrismRunner")
"""The first is Prism too wherever Beam can fetch or find it, and else in process."""

_CORES: Final = re.compile(r"-(\d+)(?:-|$)")
"""In ``n1-standard-4``, ``n2-custom-8-16384``, ``c3-standard-8-lssd``; not in ``a2-highgpu-1g``."""


def runner_name(options: PipelineOptions) -> str:
    """The runner's class, without its module."""
    return str(options.view_as(StandardOptions).runner).rsplit(".", 1)[-1]


def known_runner(name: str) -> str:
    """A runner's name as Beam's documents have it, which itself takes ``flink`` too.

    Raises:
        UsageError: There is no such runner.
    """
    try:
        runner = type(create_runner(name))
    except (ValueError, ImportError, AttributeError) as error:
        raise UsageError(f"--runner={name}: {' '.join(str(error).split())}") from error
    short = {"SwitchingDirectRunner": "DirectRunner"}.get(runner.__name__, runner.__name__)
    return short if short in StandardOptions.KNOWN_RUNNER_NAMES else name


def runs_here(options: PipelineOptions) -> bool:
    """Whether the workers are on this machine: its files are theirs, and so are its cores.

    They are in this process, as Beam's local runners and ``LOOPBACK`` have it, or in processes that
    a runner of this process starts.

    Raises:
        UsageError: Beam cannot tell what ``--environment_type`` and its options mean.
    """
    runner = runner_name(options)
    if runner in _IN_PROCESS:
        return True
    if runner == "DirectRunner":
        runner = "PrismRunner"
    if runner not in _PORTABLE:
        return False
    with refusing("--environment_type", ValueError, NotImplementedError):
        # It writes its findings into what it is given.
        environment = create_runner(runner).default_environment(copy.deepcopy(options))
    if isinstance(environment, PythonLoopbackEnvironment):
        return True
    starts_processes = isinstance(environment, ProcessEnvironment | SubprocessSDKEnvironment)
    return starts_processes and _runner_is_here(runner, options)


def _runner_is_here(runner: str, options: PipelineOptions) -> bool:
    endpoint = options.view_as(PortableOptions).job_endpoint
    if endpoint:
        return bool(endpoint == EMBEDDED)
    if runner == "FlinkRunner":
        return options.view_as(FlinkRunnerOptions).flink_master in MAGIC_HOST_NAMES
    if runner == "SparkRunner":
        return bool(_spark_threads(options))
    return True


def check_reachable(options: PipelineOptions, paths: Iterable[str], *, shared: bool) -> None:
    """Refuses local paths for workers that run elsewhere, unless they see the same (``shared``).

    Raises:
        UsageError: A path is local and the workers are not.
    """
    if shared or runs_here(options):
        return
    for path in paths:
        if not storage.scheme(path):
            raise UsageError(
                f"{path} is on this machine, and the workers of {runner_name(options)} are not: "
                "give a gs:// path, or --shared_paths if each of them sees the same files there"
            )


def staging_location(options: PipelineOptions, output: str) -> str | None:
    """Where the model is put for workers that do not have this machine's cache; else None."""
    environment = options.view_as(PortableOptions).environment_type
    if runs_here(options) and environment in (None, "LOOPBACK"):
        return None
    cloud = options.view_as(GoogleCloudOptions)
    return str(cloud.temp_location or cloud.staging_location or output)


def set_worker_count(options: PipelineOptions, workers: int | None, given: Collection[str]) -> None:
    """Tells the runner how many workers there shall be, in its own words.

    If that is not asked for, Beam's own flags count (``given`` are their names). Without these it
    is one a core of this machine where runner and workers are here, so that some decode while the
    network runs for others; else what the runner takes.

    Raises:
        UsageError: Beam's own flag says otherwise, or Beam cannot tell where workers run.
    """
    direct = options.view_as(DirectOptions)
    if workers is not None or "--direct_num_workers" not in given:
        direct.direct_num_workers = workers or available_cores()
    flink = options.view_as(FlinkRunnerOptions)
    if workers is not None and "--parallelism" in given and flink.parallelism != workers:
        raise UsageError(f"--workers={workers} and --parallelism={flink.parallelism}: give one")
    if runner_name(options) not in _PORTABLE:
        return
    # A cluster may have fewer slots than this machine has cores.
    here = runs_here(options) and _runner_is_here(runner_name(options), options)
    if "--parallelism" not in given and (workers is not None or here):
        flink.parallelism = workers or available_cores()
    if here and "--spark_master_url" not in given:
        spark = options.view_as(SparkRunnerOptions)
        spark.spark_master_url = f"local[{workers or available_cores()}]"


def worker_count(options: PipelineOptions) -> int:
    """How many workers will share the run, as far as the flags say."""
    runner = runner_name(options)
    if runner in (*_IN_PROCESS, *_PRISM):
        return int(options.view_as(DirectOptions).direct_num_workers or available_cores())
    if runner == "SparkRunner" and (threads := _spark_threads(options)):
        return threads
    parallelism = options.view_as(FlinkRunnerOptions).parallelism
    if runner in _PORTABLE and parallelism > 0:
        return int(parallelism)
    workers = options.view_as(WorkerOptions)
    return int(workers.max_num_workers or workers.num_workers or 1)


def _spark_threads(options: PipelineOptions) -> int:
    """Of a Spark master within its job server; 0 for a cluster's."""
    master = options.view_as(SparkRunnerOptions).spark_master_url
    match = re.match(LOCAL_MASTER_PATTERN, master)
    if match is None:
        return 0
    threads = (match[1] or "[1]").strip("[]").partition(",")[0]
    return int(threads) if threads.isdecimal() else available_cores()


def engine_threads(options: PipelineOptions) -> int | None:
    """Cores that each process may compute on; None for all that it sees.

    Threads of one process share its engine. Processes that share a machine each have their own,
    and would fight for its cores: locally with ``multi_processing``, where
    ``--sdk_worker_parallelism`` asks for several, and on Dataflow, which starts one process a
    vCPU unless told otherwise.
    """
    runner = runner_name(options)
    direct = options.view_as(DirectOptions)
    if runner in _IN_PROCESS:
        if direct.direct_running_mode == "multi_processing":
            return max(1, available_cores() // worker_count(options))
        return None
    if runner in (*_PORTABLE, *_PRISM):
        return None if int(options.view_as(PortableOptions).sdk_worker_parallelism) == 1 else 1
    return None if has_one_process(options) else 1


@dataclass(frozen=True, slots=True)
class Machines:
    """Those that share the images.

    Attributes:
        here: Whether it is this one.
        count: How many.
        cores: Of each, on all of which its processes or threads compute.
        threads: Images that each works on at once.
        kind: The type that each has; empty if none is known.
        gpu: What each runs the network on; empty for its cores.
    """

    here: bool
    count: int
    cores: int
    threads: int
    kind: str = ""
    gpu: str = ""

    @property
    def workers(self) -> int:
        """Beam's workers: threads or processes here, machines elsewhere."""
        return self.threads if self.here else self.count

    def __str__(self) -> str:
        """What each is, for people."""
        cores = f"{self.cores} core{'s' * (self.cores > 1)}"
        like = f"{self.kind} of {cores}" if self.kind else f"taken for one like this, of {cores}"
        return f"{like}, with {self.gpu}" if self.gpu else like


def machines_of(options: PipelineOptions, gpu: str = "") -> Machines:
    """The machines of a run; ``gpu`` is what remote workers run the network on, if any."""
    workers, here = worker_count(options), available_cores()
    if runs_here(options):
        return Machines(True, 1, here, workers)
    kind = str(options.view_as(WorkerOptions).machine_type or "")
    said = _CORES.search(kind)
    cores = int(said[1]) if said else here
    return Machines(False, workers, cores, cores, kind if said else "", gpu)
