"""What is wrong about a runner's flags is known before anything of a run is touched."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import pytest
from apache_beam.options.pipeline_options import PortableOptions

from beam_deeplab.pipeline import job_services
from beam_deeplab.pipeline.beam_flags import pipeline_options
from beam_deeplab.pipeline.options import UsageError
from beam_deeplab.pipeline.runner_checks import check_runner, open_pipeline
from tests.job_service import flags

pytest_plugins = ("tests.job_service",)

CLOUD = ["--runner=DataflowRunner", "--project=my-project", "--region=europe-west4"]


@pytest.fixture
def silent_port() -> Iterator[int]:
    """Of a server that accepts and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (["--runner=NoSuchRunner"], "--runner=NoSuchRunner"),
        (["--num_workers=many"], "--num_workers: invalid int value: 'many'"),
        (["--num_workers"], "--num_workers: expected one argument"),
        (["--runner=PortableRunner"], "needs --job_endpoint"),
        (["--runner=PortableRunner", "--job_endpoint=localhost:1"], "localhost:1: no job service"),
        (["--runner=PortableRunner", "--job_endpoint=nowhere"], "nowhere: give HOST:PORT"),
        (["--runner=PortableRunner", "--job_endpoint=h:99999999"], "no job service"),
        (["--runner=PrismRunner", "--prism_location=no/such"], "give its place with --prism_loc"),
        (["--runner=FlinkRunner", "--flink_job_server_jar=no/such"], "--flink_job_server_jar"),
        (["--runner=SparkRunner", "--spark_job_server_jar=no/such"], "--spark_job_server_jar"),
        (["--runner=FlinkRunner", "--job_server_java_launcher=no/java"], "install Java"),
        (["--runner=FlinkRunner", "--flink_master=localhost:1"], "localhost:1: nothing answers"),
        (["--runner=SparkRunner", "--spark_master_url=spark://localhost:1"], "nothing answers"),
        (["--runner=FlinkRunner", "--streaming"], "--streaming: this job reads what is there"),
        (["--runner=DataflowRunner"], "needs --project and --region and --temp_location"),
        (CLOUD, "needs --temp_location=gs://"),
        ([*CLOUD, "--temp_location=/tmp/x"], "--temp_location /tmp/x: Dataflow needs a gs:// path"),
        (
            [*CLOUD, "--temp_location=gs://b/t", "--template_location=t.json"],
            "--template_location t.json: Dataflow needs a gs:// path",
        ),
        (["--requirements_file=no/such"], "--requirements_file no/such: there is no such file"),
        (["--extra_package=no/such"], "--extra_package no/such: there is no such file"),
        (["--setup_file=/no/setup.py"], "--setup_file /no/setup.py: there is no such file"),
    ],
)
def test_each_is_one_line_of_its_own(
    asked: list[str], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLOUDSDK_CONFIG", "/nowhere")
    monkeypatch.setenv("PATH", "/usr/bin:/bin")  # without gcloud
    with pytest.raises(UsageError) as error:
        check_runner(pipeline_options(asked))
    assert words in str(error.value)
    assert "\n" not in str(error.value)


def test_what_does_not_speak_is_no_job_service(
    silent_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_services, "_ANSWER_SECONDS", 0.5)
    options = ["--runner=PortableRunner", f"--job_endpoint=127.0.0.1:{silent_port}"]
    with pytest.raises(UsageError, match="does not speak gRPC"):
        check_runner(pipeline_options(options))


@pytest.fixture
def another_service() -> Iterator[int]:
    """Port of a gRPC server that is no job service."""
    server = grpc.server(ThreadPoolExecutor(1))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield port
    server.stop(None).wait()


def test_what_speaks_of_other_things_is_no_job_service(another_service: int) -> None:
    options = ["--runner=PortableRunner", f"--job_endpoint=127.0.0.1:{another_service}"]
    with pytest.raises(UsageError, match=r"is no job service .*: start a job service there"):
        check_runner(pipeline_options(options))


def test_a_job_service_passes(job_service: str) -> None:
    check_runner(pipeline_options(flags(job_service)))


@pytest.mark.parametrize("asked", [[], ["--environment_type=PROCESS"]])
def test_what_prism_does_to_process_workers_is_said(
    asked: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(UsageError, match="--prism_location"):
        check_runner(pipeline_options(["--runner=PrismRunner", "--prism_location=no/such", *asked]))
    assert ("the command takes them off" in capsys.readouterr().err) == bool(asked)


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (["--resource_hints=min_ram=3X"], "min_ram"),
        (["--resource_hints=colour=blue"], "colour"),
        (
            ["--runner=PortableRunner", "--job_endpoint=embed", "--environment_type=PROCESS"],
            "process_command",
        ),
    ],
)
def test_what_beam_refuses_is_one_line(asked: list[str], words: str) -> None:
    with pytest.raises(UsageError, match=words) as error:
        open_pipeline(pipeline_options(asked))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("metadata", "words"),
    [
        ('[build-system]\nrequires = ["setuptools>=9999"]\n', "setuptools>=9999"),
        ("[build-system\n", "cannot be built"),
        ('[project]\nname = "x"\nversion = 3\n', "cannot be built"),
    ],
)
def test_a_package_that_cannot_be_built_is_refused(
    metadata: str, words: str, tmp_path: Path
) -> None:
    (tmp_path / "setup.py").write_text("from setuptools import setup\n\nsetup()\n")
    (tmp_path / "pyproject.toml").write_text(metadata)
    with pytest.raises(UsageError, match=words) as error:
        check_runner(pipeline_options([f"--setup_file={tmp_path / 'setup.py'}"]))
    assert "\n" not in str(error.value)


def test_jobs_outlive_beam_s_default_deadline() -> None:
    def seconds(*asked: str) -> int:
        return int(pipeline_options(asked).view_as(PortableOptions).job_server_timeout)

    assert seconds() > 7 * 24 * 3600
    assert seconds("--job_server_timeout=5") == 5
    assert seconds("--job-server-timeout", "5") == 5


@pytest.mark.parametrize(
    ("asked", "millis"),
    [
        (["--runner=FlinkRunner"], 500),
        (["--runner=FlinkRunner", "--environment_cache_millis=0"], 0),
        (["--runner=SparkRunner"], 0),
    ],
)
def test_flink_keeps_its_workers_through_a_shuffle(asked: list[str], millis: int) -> None:
    options = pipeline_options(asked).view_as(PortableOptions)
    assert int(options.environment_cache_millis) == millis
