"""A job that goes on without its launcher: its name, its state, and how it is cancelled."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import grpc
from apache_beam.options.pipeline_options import (
    GoogleCloudOptions,
    PipelineOptions,
    PortableOptions,
)
from apache_beam.portability.api import beam_job_api_pb2, beam_job_api_pb2_grpc
from apache_beam.runners.portability import portable_runner
from apache_beam.runners.runner import PipelineResult

from beam_deeplab.pipeline.job_services import job_endpoint

_ASK_SECONDS: Final = 20.0
_CONSOLE: Final = "https://console.cloud.google.com/dataflow/jobs"


@dataclass(frozen=True, slots=True)
class RemoteJob:
    """What a runner's job is called, and where.

    Attributes:
        id: The runner's name for it.
        endpoint: Where the runner is asked: Dataflow's API, or a job service.
        project: Of Dataflow; empty elsewhere.
        region: Of Dataflow; empty elsewhere.
        lives_alone: Whether it goes on without the launcher: with ``LOOPBACK`` its workers do not.
    """

    id: str
    endpoint: str
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
    if isinstance(result, portable_runner.PipelineResult):
        portable = options.view_as(PortableOptions)
        endpoint = job_endpoint(options)
        if endpoint is None:
            return None
        lives_alone = portable.environment_type != "LOOPBACK"
        return RemoteJob(result._job_id, endpoint, lives_alone=lives_alone)
    if not getattr(result, "has_job", False):
        return None
    cloud = options.view_as(GoogleCloudOptions)
    return RemoteJob(result.job_id(), cloud.dataflow_endpoint or "", cloud.project, cloud.region)


def state_of(job: RemoteJob, options: PipelineOptions) -> str:
    """What the runner says of a job, as Beam's ``PipelineState`` names it.

    Raises:
        Exception: The runner cannot be asked; :func:`why` says it in words.
    """
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


def why(error: Exception) -> str:
    """Why a runner cannot be asked."""
    if isinstance(error, grpc.RpcError):
        return str(getattr(error, "details", lambda: "")() or error)
    return str(error) or type(error).__name__
