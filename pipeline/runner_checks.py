"""What can be known to be wrong about a runner's flags before anything of a run is touched."""

from __future__ import annotations

import contextlib
import io
import re
import socket
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

import apache_beam as beam
import grpc
from apache_beam.options.pipeline_options import (
    GoogleCloudOptions,
    PipelineOptions,
    PortableOptions,
    SetupOptions,
    StandardOptions,
)
from apache_beam.runners.runner import create_runner

from beam_deeplab.pipeline.extras import require_extra
from beam_deeplab.pipeline.options import UsageError
from beam_deeplab.pipeline.root_causes import root_cause

EMBEDDED: Final = "embed"
"""A ``--job_endpoint`` that is no address: the job service of this process."""

_ENDPOINT_SECONDS: Final = 15.0


def parse_flags(flags: Sequence[str]) -> PipelineOptions:
    """Beam's options; its parsers are asked at once, where they would speak up one by one.

    Raises:
        UsageError: A flag's value is none.
    """
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            options = PipelineOptions(list(flags))
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
    name = str(options.view_as(StandardOptions).runner)
    try:
        create_runner(name)
    except (ValueError, ImportError, AttributeError) as error:
        raise UsageError(f"--runner={name}: {_one_line(error)}") from error
    runner = name.rsplit(".", 1)[-1]
    if runner == "DataflowRunner":
        _check_dataflow(options)
    endpoint = options.view_as(PortableOptions).job_endpoint
    if endpoint and endpoint != EMBEDDED:
        _check_endpoint(endpoint)
    elif not endpoint and runner == "PortableRunner":
        raise UsageError("--runner=PortableRunner needs --job_endpoint: the job service's address")
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


def _check_endpoint(endpoint: str) -> None:
    host, _, port = endpoint.rpartition(":")
    try:
        if not host or not port.isdecimal():
            raise UsageError(f"--job_endpoint {endpoint}: give HOST:PORT")
        with socket.create_connection((host.strip("[]"), int(port)), _ENDPOINT_SECONDS):
            pass
        with grpc.insecure_channel(endpoint) as channel:
            grpc.channel_ready_future(channel).result(_ENDPOINT_SECONDS)
    except (OSError, OverflowError) as error:
        raise UsageError(f"--job_endpoint {endpoint}: no job service answers: {error}") from error
    except grpc.FutureTimeoutError as error:
        raise UsageError(
            f"--job_endpoint {endpoint}: what listens there does not speak gRPC"
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
