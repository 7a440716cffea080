"""README's command for Dataflow with real flags, up to the job's JSON and the staged package."""

from __future__ import annotations

import json
import subprocess
import sys
import tarfile
import venv
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from beam_deeplab.pipeline.cli import main
from beam_deeplab.pipeline.options import SegmentOptions
from beam_deeplab.pipeline.segment import prepare
from tests.faults.conftest import write_picture
from tests.gcs_emulator import Gcs

pytest_plugins = ("tests.gcs_emulator",)
ROOT = Path(__file__).parent.parent
T4 = "type:nvidia-tesla-t4;count:1;install-nvidia-driver"
PARTNERS = ["--sdk_container_image=registry/image", "--experiments=no_use_multiple_sdk_containers"]


@pytest.fixture
def bucket(gcs_service_account: Gcs, tmp_path: Path) -> Gcs:
    write_picture(tmp_path / "a.png", 1)
    gcs_service_account.put("photos/a.png", (tmp_path / "a.png").read_bytes())
    return gcs_service_account


def _flags(bucket: Gcs, *flags: str) -> list[str]:
    return bucket.dataflow_job(f"--template_location={bucket.uri('template.json')}", *flags)


def _read(bucket: Gcs, name: str) -> Any:
    content = bucket.get(name)
    assert content is not None, name
    return json.loads(content)


def _packages(job: dict[str, Any]) -> dict[str, str]:
    """Names and places of what workers get."""
    return {
        package["name"]: package["location"].split("/", 2)[2]
        for pool in job["environment"]["workerPools"]
        for package in pool.get("packages", ())
    }


@pytest.mark.slow
def test_the_command_of_the_readme_stages_a_package_that_installs(
    bucket: Gcs,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(ROOT)
    assert main(_flags(bucket, "--setup_file=./setup.py")) == 0
    assert "running it commits" in capsys.readouterr().out
    assert _read(bucket, "masks/run.json")["options"]["engine"] == "openvino"
    job = _read(bucket, "template.json")
    options = job["environment"]["sdkPipelineOptions"]["options"]
    assert options["region"] == "europe-west4"
    staged = _packages(job)["workflow.tar.gz"].removeprefix(f"{bucket.bucket}/")
    content = bucket.get(staged)
    assert content is not None
    with tarfile.open(fileobj=BytesIO(content)) as sdist:
        members = {member.name.split("/", 1)[-1]: member for member in sdist.getmembers()}
    for name in ("pyproject.toml", "beam_deeplab/transforms/segmenting/handler.py"):
        assert members[name].isfile()
    assert not [name for name, member in members.items() if member.issym()]
    package, environment = tmp_path / "workflow.tar.gz", tmp_path / "environment"
    package.write_bytes(content)
    venv.create(environment, symlinks=True)
    uv = [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--no-deps", "--python"]
    subprocess.run([*uv, environment, package], check=True, cwd=tmp_path)
    clean = {"PATH": "/usr/bin:/bin"}
    code = "import beam_deeplab; print(beam_deeplab.__version__)"
    command = [str(environment / "bin" / "python"), "-c", code]
    subprocess.run(command, check=True, cwd=tmp_path, env=clean)


@pytest.mark.parametrize(
    "way",
    [
        f"--accelerator={T4}",
        f"--resource_hints=accelerator={T4}",
        f"--dataflow_service_options=worker_accelerator={T4}",
    ],
)
def test_a_gpu_job_is_a_gpu_job_in_whichever_words(
    way: str, bucket: Gcs, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(_flags(bucket, way, *PARTNERS)) == 0
    assert capsys.readouterr().err == ""
    run = _read(bucket, "masks/run.json")
    assert run["options"]["engine"] == "tensorflow"
    job = _read(bucket, "template.json")
    services = job["environment"].get("serviceOptions", [])
    assert (f"worker_accelerator={T4}" in services) == ("worker_accelerator" in way)


def test_a_gpu_job_says_what_it_lacks(bucket: Gcs, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(_flags(bucket, "--accelerator=type:nvidia-l4")) == 0
    said = capsys.readouterr().err
    for words in ("--sdk_container_image", "install-nvidia-driver", "no_use_multiple", "g2-"):
        assert words in said


@pytest.mark.parametrize(("flags", "needs_gpu"), [([], True), (["--allow_cpu"], False)])
def test_workers_know_that_they_were_to_have_a_gpu(
    flags: list[str], needs_gpu: bool, bucket: Gcs
) -> None:
    from beam_deeplab.pipeline.commands import build_parser

    parser, _ = build_parser()
    argv = _flags(bucket, f"--accelerator={T4}", *PARTNERS, *flags)
    arguments, beam_flags = parser.parse_known_args(argv)
    prepared = prepare(SegmentOptions.from_arguments(arguments), beam_flags)
    assert prepared.recipe.engine.name == "tensorflow"
    assert prepared.recipe.engine.needs_gpu is needs_gpu
    assert bucket.get("masks/run.json") is None


@pytest.mark.slow
@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--accelerator=nvidia-l4"], "--accelerator=nvidia-l4: "),
        (
            [f"--accelerator={T4}", f"--dataflow_service_options=worker_accelerator={T4}"],
            "not both",
        ),
        ([f"--accelerator={T4}", "--engine=openvino"], "idle"),
        (["--setup_file=no/setup.py"], "there is no such file"),
        (["--num_workers=0"], "num_workers"),
        (["--min_ram_per_worker=much"], "min_ram"),
        (["--project=My Project"], "My Project"),
    ],
)
@pytest.mark.parametrize("flag", ["--overwrite", "--resume"])
def test_what_is_refused_leaves_the_earlier_run_alone(
    flag: str, flags: list[str], words: str, bucket: Gcs, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(_flags(bucket, "--quiet")) == 0
    bucket.put("masks/masks/part-0123456789abcdef.parquet", b"x")
    names = ["masks/run.json", "masks/masks/part-0123456789abcdef.parquet", "template.json"]
    earlier = {name: bucket.get(name) for name in names}
    assert main([*_flags(bucket), flag, *flags]) == 2
    said = capsys.readouterr().err
    assert words in said
    assert said.count("\n") == 1
    assert {name: bucket.get(name) for name in earlier} == earlier
