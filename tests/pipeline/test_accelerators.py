"""A GPU asked for in any of Beam's and Dataflow's words is one GPU, or is refused."""

from __future__ import annotations

import pytest

from beam_deeplab.pipeline.accelerators import Accelerator, find_accelerator, missing_partners
from beam_deeplab.pipeline.beam_flags import pipeline_options
from beam_deeplab.pipeline.options import UsageError

T4 = "type:nvidia-tesla-t4;count:1;install-nvidia-driver"
L4 = "type:nvidia-l4;count:2;install-nvidia-driver:5xx"
OURS = "--accelerator"
HINT, URN = "--resource_hints=accelerator=", "--resource_hint=beam:resources:accelerator:v1="
SERVICE = "--dataflow_service_options=worker_accelerator="
EXPERIMENT = "--experiments=worker_accelerator="


def _find(*flags: str) -> Accelerator | None:
    ours = [flag.removeprefix(f"{OURS}=") for flag in flags if flag.startswith(OURS)]
    beams = [flag for flag in flags if not flag.startswith(OURS)]
    return find_accelerator(pipeline_options(beams), ours[0] if ours else None)


@pytest.mark.parametrize("way", [f"{OURS}=", HINT, URN, SERVICE, EXPERIMENT])
def test_every_way_to_ask_is_understood(way: str) -> None:
    assert _find(way + T4) == Accelerator("nvidia-tesla-t4", 1, installs_driver=True)
    assert _find(way + L4) == Accelerator("nvidia-l4", 2, installs_driver=True)
    assert _find(f"{way}type:nvidia-l4") == Accelerator("nvidia-l4")


def test_other_hints_and_options_are_no_gpu() -> None:
    flags = ["--resource_hints=min_ram=4GB", "--dataflow_service_options=enable_prime,x=y"]
    assert _find(*flags, "--experiments=use_runner_v2") is None


def test_a_service_option_beside_others_is_found() -> None:
    assert _find(f"--dataflow_service_options=enable_image_streaming,worker_accelerator={T4}")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nvidia-tesla-t4",
        "type=nvidia-tesla-t4",
        "type:",
        "type:;count:1",
        "type:tpu-v5",
        "count:1",
        "type:nvidia-l4;count:0",
        "type:nvidia-l4;count:one",
        "type:nvidia-l4;count:-1",
        "type:nvidia-l4;count:1;count:2",
        "type:nvidia-l4;install-nvidia-drivers",
        "type:nvidia-l4;",
        "type:nvidia l4",
    ],
)
@pytest.mark.parametrize("way", [f"{OURS}=", HINT, SERVICE])
def test_a_malformed_one_is_refused_by_its_flag(way: str, text: str) -> None:
    with pytest.raises(UsageError) as error:
        _find(way + text)
    assert way.rstrip("=") in str(error.value)
    assert "type:nvidia-l4;count:1;install-nvidia-driver" in str(error.value)


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ([f"{OURS}={T4}", HINT + L4], "ask for different GPUs"),
        ([HINT + T4, SERVICE + L4], "ask for different GPUs"),
        ([f"{OURS}={T4}", SERVICE + T4], "the service option or the hint, not both"),
        ([HINT + T4, SERVICE + T4], "the service option or the hint, not both"),
        ([HINT + T4, HINT + L4], "given twice"),
        (
            [f"{SERVICE}{T4};use_nvidia_mps", "--experiments=no_use_multiple_sdk_containers"],
            "use_nvidia_mps",
        ),
    ],
)
def test_contradictions_are_refused(flags: list[str], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        _find(*flags)


def test_our_flag_and_the_same_hint_are_one() -> None:
    assert _find(f"{OURS}={T4}", HINT + T4) == Accelerator("nvidia-tesla-t4", 1, True)


COMPLETE = [
    "--sdk_container_image=registry/image",
    "--experiments=no_use_multiple_sdk_containers",
    "--machine_type=g2-standard-4",
]


@pytest.mark.parametrize(
    ("accelerator", "flags", "words"),
    [
        (L4, COMPLETE[1:], ["--sdk_container_image"]),
        (L4, [COMPLETE[0], COMPLETE[2]], ["--experiments=no_use_multiple_sdk_containers"]),
        (L4, COMPLETE[:2], ["g2-"]),
        (L4, [*COMPLETE[:2], "--worker_machine_type=n1-standard-4"], ["g2-"]),
        ("type:nvidia-l4;count:1", COMPLETE, ["install-nvidia-driver"]),
        (T4, COMPLETE, ["n1-"]),
        (L4, COMPLETE, []),
        (f"{L4};use_nvidia_mps", [COMPLETE[0], COMPLETE[2]], []),
        (T4, COMPLETE[:2], []),
        ("type:nvidia-l4", [], ["--sdk_container_image", "driver", "no_use_multiple", "g2-"]),
    ],
)
def test_what_a_gpu_needs_beside_it_is_said(
    accelerator: str, flags: list[str], words: list[str]
) -> None:
    lines = missing_partners(Accelerator.parse(accelerator), pipeline_options(flags))
    assert len(lines) == len(words)
    for line, word in zip(lines, words, strict=True):
        assert word in line
