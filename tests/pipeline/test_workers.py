"""Where workers run, how many they are, and on how many cores each computes."""

from __future__ import annotations

import pytest

from beam_deeplab.deeplab.engines import available_cores
from beam_deeplab.pipeline.beam_flags import pipeline_options
from beam_deeplab.pipeline.options import UsageError
from beam_deeplab.pipeline.workers import (
    Machines,
    check_reachable,
    engine_threads,
    machines_of,
    runner_name,
    runs_here,
    worker_count,
)

CORES = available_cores()
PROCESS = ["--environment_type=PROCESS", "--environment_option=process_command=/worker"]
SERVICE = "--job_endpoint=localhost:8099"


@pytest.mark.parametrize(
    "flags",
    [
        [],
        ["--direct_running_mode=multi_processing"],
        ["--runner=DirectRunner"],
        ["--runner=PrismRunner"],
        ["--runner=prism"],
        ["--runner=PrismRunner", *PROCESS],
        ["--runner=FlinkRunner"],
        ["--runner=FlinkRunner", "--flink_master=[local]", *PROCESS],
        ["--runner=SparkRunner"],
        ["--runner=PortableRunner", SERVICE, "--environment_type=LOOPBACK"],
        ["--runner=FlinkRunner", SERVICE, "--environment_type=LOOPBACK"],
        ["--runner=PortableRunner", "--job_endpoint=embed", *PROCESS],
    ],
)
def test_workers_of_this_machine_see_its_files(flags: list[str]) -> None:
    options = pipeline_options(flags)
    assert runs_here(options)
    check_reachable(options, ["/photos"], shared=False)


@pytest.mark.slow
@pytest.mark.parametrize(
    "flags",
    [
        ["--runner=DataflowRunner"],
        ["--runner=PrismRunner", "--environment_type=DOCKER"],
        ["--runner=FlinkRunner", "--flink_master=http://cluster:8081"],
        ["--runner=FlinkRunner", SERVICE, *PROCESS],
        ["--runner=SparkRunner", "--spark_master_url=spark://cluster:7077"],
        ["--runner=PortableRunner", SERVICE],
        ["--runner=PortableRunner", SERVICE, *PROCESS],
        [
            "--runner=PortableRunner",
            SERVICE,
            "--environment_type=EXTERNAL",
            "--environment_config=pool:50000",
        ],
    ],
)
def test_workers_elsewhere_see_local_files_only_if_that_is_promised(flags: list[str]) -> None:
    options = pipeline_options(flags)
    assert not runs_here(options)
    check_reachable(options, ["gs://b/photos", "gs://b/out"], shared=False)
    check_reachable(options, ["/photos"], shared=True)
    with pytest.raises(UsageError, match=r"/photos is on this machine.*--shared_paths"):
        check_reachable(options, ["gs://b/photos", "/photos"], shared=False)


@pytest.mark.parametrize(
    ("flags", "workers", "count"),
    [
        ([], None, CORES),
        ([], 3, 3),
        (["--direct_num_workers=5"], None, 5),
        (["--direct_num_workers=0"], None, CORES),
        (["--runner=PrismRunner"], None, CORES),
        (["--runner=FlinkRunner"], None, CORES),
        (["--runner=FlinkRunner"], 3, 3),
        (["--runner=FlinkRunner", "--parallelism=7"], None, 7),
        (["--runner=FlinkRunner", "--parallelism=7"], 7, 7),
        (["--runner=FlinkRunner", SERVICE, *PROCESS], None, 1),
        (["--runner=FlinkRunner", SERVICE, "--environment_type=LOOPBACK"], None, 1),
        (["--runner=FlinkRunner", SERVICE, *PROCESS], 40, 40),
        (["--runner=PortableRunner", SERVICE, "--parallelism", "9"], None, 9),
        (["--runner=SparkRunner"], None, CORES),
        (["--runner=SparkRunner"], 3, 3),
        (["--runner=SparkRunner", "--spark_master_url=local[6]"], None, 6),
        (["--runner=SparkRunner", "--spark_master_url=local[6,2]"], None, 6),
        (["--runner=SparkRunner", "--spark_master_url=local"], None, 1),
        (["--runner=SparkRunner", "--spark_master_url=local[*]"], None, CORES),
        (["--runner=SparkRunner", "--spark_master_url=spark://h:1", "--num_workers=8"], None, 8),
        (["--runner=DataflowRunner", "--max_num_workers=12"], None, 12),
    ],
)
def test_the_count_of_workers_follows_the_runner_s_own_flags(
    flags: list[str], workers: int | None, count: int
) -> None:
    assert worker_count(pipeline_options(flags, workers)) == count


def test_two_counts_that_differ_are_refused() -> None:
    with pytest.raises(UsageError, match="--workers=3 and --parallelism=7: give one"):
        pipeline_options(["--runner=FlinkRunner", "--parallelism=7"], 3)


@pytest.mark.parametrize(
    ("flags", "threads"),
    [
        ([], None),
        (["--direct_running_mode=multi_processing", f"--direct_num_workers={CORES}"], 1),
        (["--direct_running_mode=multi_processing", "--direct_num_workers=1"], CORES),
        (["--runner=PrismRunner"], None),
        (["--runner=FlinkRunner", "--parallelism=4"], None),
        (["--runner=FlinkRunner", SERVICE, *PROCESS, "--parallelism=4"], None),
        (["--runner=FlinkRunner", SERVICE, *PROCESS, "--sdk_worker_parallelism=4"], 1),
        (["--runner=SparkRunner", "--sdk_worker_parallelism=0"], 1),
        (["--runner=DataflowRunner"], 1),
        (["--runner=DataflowRunner", "--experiments=no_use_multiple_sdk_containers"], None),
    ],
)
def test_processes_that_share_a_machine_share_its_cores(
    flags: list[str], threads: int | None
) -> None:
    assert engine_threads(pipeline_options(flags)) == threads


@pytest.mark.parametrize(
    ("asked", "named"),
    [
        ("flink", "FlinkRunner"),
        ("dataflowrunner", "DataflowRunner"),
        ("direct", "DirectRunner"),
        ("apache_beam.runners.portability.prism_runner.PrismRunner", "PrismRunner"),
    ],
)
def test_a_runner_goes_by_one_name(asked: str, named: str) -> None:
    assert runner_name(pipeline_options([f"--runner={asked}"])) == named


def test_an_environment_that_beam_cannot_make_out_is_one_line() -> None:
    with pytest.raises(UsageError, match="--environment_type: ") as error:
        pipeline_options(["--runner=FlinkRunner", "--environment_type=CLOUD"])
    assert "\n" not in str(error.value)


def test_a_local_run_has_this_machine() -> None:
    machines = machines_of(pipeline_options([], workers=3))
    assert machines == Machines(here=True, count=1, cores=CORES, threads=3)
    assert machines.workers == 3


@pytest.mark.parametrize(
    ("kind", "cores"),
    [
        ("n1-standard-4", 4),
        ("e2-highcpu-16", 16),
        ("n2-custom-8-16384", 8),
        ("c3-standard-22-lssd", 22),
        ("g2-standard-4", 4),
        ("a2-highgpu-1g", None),
        ("e2-medium", None),
    ],
)
def test_remote_machines_say_their_cores_or_are_like_this_one(kind: str, cores: int | None) -> None:
    flags = ["--runner=DataflowRunner", f"--machine_type={kind}", "--num_workers=5"]
    machines = machines_of(pipeline_options(flags), "nvidia-l4")
    assert (machines.here, machines.count, machines.workers) == (False, 5, 5)
    assert machines.cores == machines.threads == (cores or CORES)
    assert str(machines).startswith(kind if cores else "taken for one like this")
    assert str(machines).endswith(", with nvidia-l4")
