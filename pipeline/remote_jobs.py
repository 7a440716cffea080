"""A job that goes on without its launcher: its name, its state, and who may write meanwhile."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Final

import grpc
from apache_beam.options.pipeline_options import (
    GoogleCloudOptions,
    PipelineOptions,
    PortableOptions,
)
from apache_beam.portability.api import beam_job_api_pb2, beam_job_api_pb2_grpc
from apache_beam.runners.portability import portable_runner
from apache_beam.runners.runner import PipelineResult, PipelineState

from beam_deeplab.pipeline.job_services import job_endpoint
from beam_deeplab.pipeline.options import UsageError
from beam_deeplab.transforms import storage
from beam_deeplab.transforms.runs.attempts import FOLDER, JOB_FILE

_ASK_SECONDS: Final = 20.0
_CONSOLE: Final = "https://console.cloud.google.com/dataflow/jobs"


@dataclass(frozen=True, slots=True)
class RemoteJob:
    """The content of ``attempts/job.json``, which stands while a job may write.

    Attributes:
        id: The runner's name for it.
        endpoint: Where the runner is asked: Dataflow's API, or a job service.
        started: UTC time, ISO 8601.
        project: Of Dataflow; empty elsewhere.
        region: Of Dataflow; empty elsewhere.
        lives_alone: Whether it goes on without the launcher: with ``LOOPBACK`` its workers do not.
    """

    id: str
    endpoint: str
    started: str
    project: str = ""
    region: str = ""
    lives_alone: bool = True

    def __str__(self) -> str:
        """Its name and where to look at it."""
        if self.project:
            return f"{self.id} ({_CONSOLE}/{self.region}/{self.id}?project={self.project})"
        return f"{self.id} on {self.endpoint}"

    @property
    def how_to_cancel(self) -> str:
        """What a person does to end it."""
        if self.project:
            return (
                f"`gcloud dataflow jobs cancel {self.id} --project={self.project} "
                f"--region={self.region}`"
            )
        return f"the job service's own console or API at {self.endpoint}"


def describe_job(result: PipelineResult, options: PipelineOptions) -> RemoteJob | None:
    """The job of a result; None if it ends with this process, or is none (a template)."""
    started = datetime.now(UTC).isoformat(timespec="seconds")
    if isinstance(result, portable_runner.PipelineResult):
        portable = options.view_as(PortableOptions)
        endpoint = job_endpoint(options)
        if endpoint is None:
            return None
        lives_alone = portable.environment_type != "LOOPBACK"
        return RemoteJob(result._job_id, endpoint, started, lives_alone=lives_alone)
    if not getattr(result, "has_job", False):
        return None
    cloud = options.view_as(GoogleCloudOptions)
    return RemoteJob(
        result.job_id(), cloud.dataflow_endpoint or "", started, cloud.project, cloud.region
    )


def note_job(output: str, job: RemoteJob) -> None:
    """Writes ``attempts/job.json``."""
    storage.write_atomically(_file(output), json.dumps(asdict(job), indent=2).encode() + b"\n")


def forget_job(output: str) -> None:
    """Removes ``attempts/job.json``: the job has ended."""
    storage.delete(_file(output))


def check_no_job(output: str, options: PipelineOptions) -> None:
    """Refuses to touch an output that a job still writes.

    Args:
        output: The output folder.
        options: Beam's options, by which a cloud is signed in to.

    Raises:
        UsageError: A job is running, or its runner cannot be asked.
        OSError: The output cannot be read.
    """
    file = _file(output)
    try:
        job = RemoteJob(**json.loads(storage.read(file)))
    except FileNotFoundError:
        return
    except (ValueError, TypeError) as error:
        raise UsageError(
            f"{file} is not a file of beam-deeplab: remove it if no job writes to {output}"
        ) from error
    try:
        state = _ask(job, options)
    except Exception as error:
        raise UsageError(
            f"job {job}, begun {job.started}, may still write to {output}, and cannot be asked "
            f"({_why(error)}): cancel it, or remove {file} once it has ended"
        ) from error
    if not PipelineState.is_terminal(state):
        raise UsageError(
            f"job {job}, begun {job.started}, still writes to {output} ({state}): let it end, or "
            f"cancel it with {job.how_to_cancel}"
        )


def _file(output: str) -> str:
    return storage.join(output, FOLDER, JOB_FILE)


def _ask(job: RemoteJob, options: PipelineOptions) -> str:
    return _ask_dataflow(job, options) if job.project else _ask_job_service(job)


def _ask_job_service(job: RemoteJob) -> str:
    with grpc.insecure_channel(job.endpoint) as channel:
        service = beam_job_api_pb2_grpc.JobServiceStub(channel)
        request = beam_job_api_pb2.GetJobStateRequest(job_id=job.id)
        answer = service.GetState(request, timeout=_ASK_SECONDS)
    state: str = portable_runner.PipelineResult.runner_api_state_to_pipeline_state(answer.state)
    return state


def _ask_dataflow(job: RemoteJob, options: PipelineOptions) -> str:
    from apache_beam.runners.dataflow.dataflow_runner import DataflowPipelineResult
    from apache_beam.runners.dataflow.internal.apiclient import DataflowApplicationClient

    asking = PipelineOptions.from_dictionary(options.get_all_options(drop_default=True))
    cloud = asking.view_as(GoogleCloudOptions)
    cloud.project, cloud.region = job.project, job.region
    cloud.dataflow_endpoint = job.endpoint
    answer: Any = DataflowApplicationClient(asking).get_job(job.id)
    state: str = DataflowPipelineResult.api_jobstate_to_pipeline_state(answer.current_state)
    return state


def _why(error: Exception) -> str:
    if isinstance(error, grpc.RpcError):
        return str(getattr(error, "details", lambda: "")() or error)
    return str(error) or type(error).__name__
