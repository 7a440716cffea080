"""What can be known to be wrong about a runner's flags before anything of a run is touched."""

from __future__ import annotations

import contextlib
import copy
import io
import re
import shutil
import socket
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar, cast
from urllib.parse import urlsplit

import apache_beam as beam
from apache_beam.options.pipeline_options import (
    FlinkRunnerOptions,
    GoogleCloudOptions,
    JobServerOptions,
    PipelineOptions,
    PortableOptions,
    SetupOptions,
    SparkRunnerOptions,
    StandardOptions,
)
from apache_beam.runners.portability.flink_runner import MAGIC_HOST_NAMES
from apache_beam.runners.portability.job_server import SubprocessJobServer
from apache_beam.runners.runner import create_runner

from beam_deeplab.pipeline.extras import require_extra
from beam_deeplab.pipeline.job_services import ask_for_flags, job_endpoint
from beam_deeplab.pipeline.options import UsageError
from beam_deeplab.pipeline.root_causes import root_cause
from beam_deeplab.pipeline.terminal import say
from beam_deeplab.pipeline.workers import runner_name

_OptionsT = TypeVar("_OptionsT", bound=PipelineOptions)

_ANSWER_SECONDS: Final = 15.0


class _ParsedOnce(PipelineOptions):
    """Options that are parsed once for each group of flags.

    Beam would do so twice for each step that is added to a pipeline, at 2 ms each time.
    """

    def view_as(self, cls: type[_OptionsT]) -> _OptionsT:
        views: dict[type, Any] = self.__dict__.setdefault("_views", {})
        if cls not in views:
            views[cls] = super().view_as(cls)
        return cast(_OptionsT, views[cls])


def parse_flags(flags: Sequence[str]) -> PipelineOptions:
    """Beam's options; its parsers are asked at once, where they would speak up one by one.

    Raises:
        UsageError: A flag's value is none.
    """
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            options = _ParsedOnce(list(flags))
            options.get_all_options()
    except SystemExit as error:
        *_, reason = said.getvalue().strip().rpartition("error: ")
        raise UsageError(f"one of Beam's flags: {reason}") from error
    return options


def check_runner(options: PipelineOptions) -> None:
    """Refuses a job service that does not answer, files that are not there, a cloud without name.

    Raises:
        UsageError: The message is one line that says what to do.
    """
    runner = runner_name(options)
    if runner == "DataflowRunner":
        _check_dataflow(options)
    portable = options.view_as(PortableOptions)
    if runner in ("DirectRunner", "PrismRunner") and portable.environment_type == "PROCESS":
        say(
            "Prism puts quotes around what it tells workers that are processes (Beam 2.77), and "
            "waits for ever unless the command takes them off: docs/running.md shows one that does"
        )
    endpoint = job_endpoint(options)
    if endpoint is not None:
        ask_for_flags(endpoint)
    elif not portable.job_endpoint:
        if runner == "PortableRunner":
            raise UsageError(f"{_runner_flag(options)} needs --job_endpoint: a job service")
        if runner in ("FlinkRunner", "PrismRunner", "SparkRunner"):
            _check_masters(options)
            _check_job_server(runner, options)
    if portable.artifact_endpoint:
        _check_answers("--artifact_endpoint", portable.artifact_endpoint, "see its job service")
    setup = options.view_as(SetupOptions)
    _check_files("--requirements_file", [setup.requirements_file])
    _check_files("--extra_package", setup.extra_packages or ())
    if setup.setup_file:
        _check_setup_file(setup)


def open_pipeline(options: PipelineOptions) -> beam.Pipeline:
    """An empty pipeline, whose runner has looked at its options.

    Raises:
        UsageError: It refuses them.
    """
    try:
        return beam.Pipeline(options=options)
    except Exception as error:
        raise UsageError(f"{_runner_flag(options)}: {_one_line(error)}") from error


def check_pipeline(options: PipelineOptions, resource_hints: Mapping[str, str]) -> None:
    """Refuses what Beam would refuse where a pipeline is built.

    Raises:
        UsageError: The runner refuses its options, or there is no such resource hint.
    """
    open_pipeline(options)
    try:
        beam.Map(str).with_resource_hints(**resource_hints)
    except ValueError as error:
        raise UsageError(str(error)) from error


def _runner_flag(options: PipelineOptions) -> str:
    return f"--runner={options.view_as(StandardOptions).runner}"


def _one_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines()] or [type(error).__name__]
    if lines[0].startswith("Pipeline has validation"):
        del lines[0]
    text = " ".join(filter(None, lines))
    return re.sub(r"Missing (?:required|GCS path) option: (\w+)", r"--\1 is missing", text)


def _check_dataflow(options: PipelineOptions) -> None:
    """Without these Beam would guess: the last from a bucket that it makes."""
    from apache_beam.runners.dataflow.dataflow_runner import DataflowRunner

    cloud = options.view_as(GoogleCloudOptions)
    if cloud.region is None:
        cloud.region = DataflowRunner().get_default_gcp_region()
    asked = {
        "--project": cloud.project,
        "--region": cloud.region,
        "--temp_location=gs://…": cloud.temp_location or cloud.staging_location,
    }
    missing = [name for name, value in asked.items() if not value]
    if missing:
        raise UsageError(f"{_runner_flag(options)} needs {' and '.join(missing)}")
    for name in ("temp_location", "staging_location", "template_location"):
        location = getattr(cloud, name)
        if location and not re.match("gs://[^/]", location):
            raise UsageError(f"--{name} {location}: Dataflow needs a gs:// path")


def _check_masters(options: PipelineOptions) -> None:
    """The clusters that a job server of this machine would send its jobs to."""
    flink = options.view_as(FlinkRunnerOptions).flink_master
    if flink not in MAGIC_HOST_NAMES:
        _check_answers("--flink_master", flink, "start the cluster, or leave the flag out")
    spark = options.view_as(SparkRunnerOptions)
    if spark.spark_master_url.startswith("spark://"):
        _check_answers("--spark_master_url", spark.spark_master_url, "start the cluster")
    if spark.spark_rest_url:
        _check_answers("--spark_rest_url", spark.spark_rest_url, "start the cluster")


def _check_answers(flag: str, address: str, advice: str) -> None:
    parts = urlsplit(address if "://" in address else f"//{address}")
    try:
        port = parts.port or {"http": 80, "https": 443}.get(parts.scheme)
        if parts.hostname is None or port is None:
            raise ValueError("it names no host and port")
        with socket.create_connection((parts.hostname, port), _ANSWER_SECONDS):
            pass
    except (OSError, ValueError) as error:
        raise UsageError(f"{flag} {address}: nothing answers ({error}): {advice}") from error


def _check_job_server(runner: str, options: PipelineOptions) -> None:
    """What Beam starts on this machine for a runner is there, or is fetched now."""
    # What it would be started with is made of a copy: making it changes the options.
    copied = copy.deepcopy(options)
    server_options = copied.view_as(JobServerOptions)
    server_options.artifacts_dir = "unused"
    location = "--prism_location"
    if runner != "PrismRunner":
        location = "--flink_job_server_jar" if runner == "FlinkRunner" else "--spark_job_server_jar"
        java = server_options.job_server_java_launcher
        if shutil.which(java) is None:
            raise UsageError(
                f"--runner={runner}: there is no program {java!r}: install Java, or give the "
                "--job_endpoint of a job service that runs"
            )
    try:
        server = create_runner(runner).default_job_server(copied)
        server = getattr(server, "_job_server", server)
        if isinstance(server, SubprocessJobServer):
            server.subprocess_cmd_and_endpoint()
        else:
            server.executable_jar()
    except (OSError, RuntimeError, ValueError) as error:
        raise UsageError(
            f"--runner={runner}: what runs it cannot be had: {_one_line(error)} (give its place "
            f"with {location}, or the --job_endpoint of a job service that runs)"
        ) from error


def _check_files(flag: str, files: Iterable[str | None]) -> None:
    for file in files:
        if file and "://" not in file and not Path(file).is_file():
            raise UsageError(f"{flag} {file}: there is no such file")


def _check_setup_file(setup: SetupOptions) -> None:
    """The package that workers install must build here: Beam finds out when it submits."""
    file = Path(setup.setup_file).absolute()
    _check_files("--setup_file", [str(file)])
    if file.name not in ("setup.py", "pyproject.toml"):
        raise UsageError(f"--setup_file {file}: give a setup.py or a pyproject.toml")
    # Beam changes to its folder, which for a bare name it takes to be nameless.
    setup.setup_file = str(file)
    require_extra("dataflow")
    from build import BuildBackendException, BuildException, ProjectBuilder
    from pyproject_hooks import quiet_subprocess_runner

    try:
        builder = ProjectBuilder(file.parent, runner=quiet_subprocess_runner)
        missing = builder.check_dependencies("sdist")
    except BuildException as error:
        raise UsageError(f"--setup_file {file}: cannot be built: {_one_line(error)}") from error
    except BuildBackendException as error:
        said = getattr(error.exception, "output", None) or str(error).encode()
        cause = root_cause(said.decode(errors="replace"))
        raise UsageError(f"--setup_file {file}: cannot be built: {cause}") from error
    if missing:
        wanted = ", ".join(sorted(chain[-1] for chain in missing))
        raise UsageError(f"--setup_file {file}: needs {wanted} to be built: pip install it")
