"""The job service that a runner is reached by: whether it answers, and which flags it knows."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from typing import Final

import grpc
from apache_beam.options.pipeline_options import PipelineOptions, PortableOptions
from apache_beam.portability.api import beam_job_api_pb2, beam_job_api_pb2_grpc

from beam_deeplab.pipeline.options import UsageError
from beam_deeplab.pipeline.options.runner_flags import RUNNER_FLAGS, Kind
from beam_deeplab.pipeline.workers import EMBEDDED, runner_name

_ANSWER_SECONDS: Final = 15.0

_START: Final = "start a job service there, such as Beam's for Flink or Spark, or Prism"

_TYPES: Final[Mapping[int, Kind]] = {
    beam_job_api_pb2.PipelineOptionType.BOOLEAN: "switch",
    beam_job_api_pb2.PipelineOptionType.INTEGER: "integer",
    beam_job_api_pb2.PipelineOptionType.NUMBER: "number",
}


def job_endpoint(options: PipelineOptions) -> str | None:
    """The address of a job service that stands already."""
    endpoint: str | None = options.view_as(PortableOptions).job_endpoint
    return None if endpoint == EMBEDDED else endpoint or None


def runner_flags(options: PipelineOptions) -> Mapping[str, Kind]:
    """What a runner takes beside the flags that Beam's Python knows.

    Raises:
        UsageError: Its job service does not answer.
    """
    endpoint = job_endpoint(options)
    if endpoint is not None:
        return ask_for_flags(endpoint)
    return RUNNER_FLAGS.get(runner_name(options), {})


def ask_for_flags(endpoint: str) -> Mapping[str, Kind]:
    """The flags that a job service knows, and so whether it is one.

    Raises:
        UsageError: Nothing answers at that address, or no job service.
    """
    host, _, port = endpoint.rpartition(":")
    flag = f"--job_endpoint {endpoint}"
    try:
        if not host or not port.isdecimal():
            raise UsageError(f"{flag}: give HOST:PORT")
        with socket.create_connection((host.strip("[]"), int(port)), _ANSWER_SECONDS):
            pass
        with grpc.insecure_channel(endpoint) as channel:
            grpc.channel_ready_future(channel).result(_ANSWER_SECONDS)
            service = beam_job_api_pb2_grpc.JobServiceStub(channel)
            request = beam_job_api_pb2.DescribePipelineOptionsRequest()
            answer = service.DescribePipelineOptions(request, timeout=_ANSWER_SECONDS)
    except (OSError, OverflowError) as error:
        raise UsageError(f"{flag}: no job service answers ({error}): {_START}") from error
    except grpc.FutureTimeoutError as error:
        raise UsageError(f"{flag}: what listens there does not speak gRPC: {_START}") from error
    except grpc.RpcError as error:
        raise UsageError(
            f"{flag}: what listens there is no job service ({error.details()}): {_START}"
        ) from error
    return {f"--{option.name}": _TYPES.get(option.type, "text") for option in answer.options}


def check_value(flag: str, kind: Kind, value: str | None) -> None:
    """Refuses what a job's submission would end with.

    Raises:
        UsageError: The value is none of this kind.
    """
    if kind == "switch":
        return
    if value is None:
        raise UsageError(f"{flag}: expected one argument")
    try:
        {"integer": int, "number": float}.get(kind, str)(value)
    except ValueError as error:
        raise UsageError(f"{flag}: {value!r} is no {kind}") from error
