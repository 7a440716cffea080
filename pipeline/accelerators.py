"""The GPU that a job asks for, in Beam's or Dataflow's words, and what must go with it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from apache_beam.options.pipeline_options import (
    DebugOptions,
    GoogleCloudOptions,
    PipelineOptions,
    StandardOptions,
    WorkerOptions,
)

from beam_deeplab.pipeline.options import UsageError

_HINTS: Final = ("accelerator", "beam:resources:accelerator:v1")
_SERVICE: Final = "worker_accelerator"
_DRIVER: Final = "install-nvidia-driver"
_MPS: Final = "use_nvidia_mps"
_FIELDS: Final = ("type", "count", _DRIVER, _MPS)
_ONE_PROCESS: Final = "no_use_multiple_sdk_containers"
_FAMILIES: Final = {
    "nvidia-l4": "g2-",
    "nvidia-tesla-a100": "a2-highgpu-",
    "nvidia-a100-80gb": "a2-ultragpu-",
    "nvidia-h100-80gb": "a3-highgpu-",
    "nvidia-h100-mega-80gb": "a3-megagpu-",
    "nvidia-tesla-t4": "n1-",
    "nvidia-tesla-v100": "n1-",
    "nvidia-tesla-p100": "n1-",
    "nvidia-tesla-p4": "n1-",
}
"""The machine types that each GPU is attached to."""


@dataclass(frozen=True, slots=True)
class Accelerator:
    """GPUs of each worker.

    Attributes:
        type: Such as ``nvidia-l4``.
        count: At least 1.
        installs_driver: Whether Dataflow shall install NVIDIA's driver.
        shared: Whether NVIDIA's MPS shares each GPU among a worker's processes.
    """

    type: str
    count: int = 1
    installs_driver: bool = False
    shared: bool = False

    @classmethod
    def parse(cls, text: str) -> Accelerator:
        """Takes ``type:nvidia-l4;count:1;install-nvidia-driver``.

        Raises:
            ValueError: It is no such text; the message says what is wrong.
        """
        fields: dict[str, str] = {}
        for field in text.split(";"):
            name, _, value = (part.strip() for part in field.partition(":"))
            if name not in _FIELDS:
                raise ValueError(f"{field!r} is none of {', '.join(_FIELDS)}")
            if name in fields:
                raise ValueError(f"{name} is given twice")
            fields[name] = value
        kind = fields.get("type", "")
        if not re.fullmatch(r"nvidia-[a-z0-9]+(-[a-z0-9]+)*", kind):
            raise ValueError(f"type:{kind} is no GPU, such as type:nvidia-l4")
        count = fields.get("count", "1")
        if not re.fullmatch("[1-9][0-9]?", count):
            raise ValueError(f"count:{count} is no number of GPUs")
        return cls(kind, int(count), _DRIVER in fields, _MPS in fields)


def find_accelerator(options: PipelineOptions, ours: str | None) -> Accelerator | None:
    """What the workers shall have, whether our flag ``--accelerator`` or one of Beam's says it.

    Raises:
        UsageError: It is said in two ways that are not one, or cannot be understood.
    """
    said = list(_said(options, ours))
    found: dict[str, Accelerator] = {}
    for flag, text in said:
        try:
            found[flag] = Accelerator.parse(text)
        except ValueError as error:
            raise UsageError(
                f"{flag}={text}: {error}; give type:nvidia-l4;count:1;install-nvidia-driver"
            ) from error
    flags = " and ".join(found)
    if len(said) > len(found):
        raise UsageError(f"{flags}: one of them is given twice: keep one")
    if len(set(found.values())) > 1:
        raise UsageError(f"{flags} ask for different GPUs: keep one")
    if len(found) > 1 and any(_SERVICE in flag for flag in found):
        raise UsageError(f"{flags}: Dataflow takes the service option or the hint, not both")
    accelerator = next(iter(found.values()), None)
    if accelerator and accelerator.shared and has_one_process(options):
        raise UsageError(f"{flags}: {_MPS} shares a GPU, --experiments={_ONE_PROCESS} does not")
    return accelerator


def has_one_process(options: PipelineOptions) -> bool:
    """Whether Dataflow starts one process a machine, and not one a vCPU."""
    return _ONE_PROCESS in (options.view_as(DebugOptions).experiments or [])


def _said(options: PipelineOptions, ours: str | None) -> Iterator[tuple[str, str]]:
    """Each way in which a GPU is asked for: flag and value."""
    if ours is not None:
        yield "--accelerator", ours
    for hint in options.view_as(StandardOptions).resource_hints:
        name, _, value = hint.partition("=")
        if name in _HINTS:
            yield f"--resource_hints={name}", value
    services = options.view_as(GoogleCloudOptions).dataflow_service_options or []
    experiments = options.view_as(DebugOptions).experiments or []
    for flag, values in (("dataflow_service_options", services), ("experiments", experiments)):
        for each in values:
            name, _, value = each.partition("=")
            if name == _SERVICE:
                yield f"--{flag}={name}", value


def missing_partners(accelerator: Accelerator, options: PipelineOptions) -> list[str]:
    """What Dataflow needs beside a GPU and was not given, each as a line for people."""
    worker = options.view_as(WorkerOptions)
    lines = []
    if not worker.sdk_container_image:
        lines.append(
            "Beam's own worker image has no CUDA: give one with TensorFlow and CUDA, "
            "--sdk_container_image=…"
        )
    if not accelerator.installs_driver:
        lines.append(f"no driver is installed on the workers: add ;{_DRIVER}")
    if not accelerator.shared and not has_one_process(options):
        lines.append(
            "one process for each vCPU would take the GPU: add "
            f"--experiments={_ONE_PROCESS}, or ;{_MPS}"
        )
    family = _FAMILIES.get(accelerator.type)
    machine = worker.machine_type
    if family and not (machine or "n1-").startswith(family):
        given = f"--machine_type={machine} has none" if machine else "workers are n1 by default"
        lines.append(f"{accelerator.type} is for machines of the type {family}…: {given}")
    return lines
