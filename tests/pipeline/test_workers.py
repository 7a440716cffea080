"""Where workers run, how many they are, and on how many cores each computes."""

from __future__ import annotations

import pytest

from beam_deeplab.pipeline.beam_flags import pipeline_options
from beam_deeplab.pipeline.options import UsageError
from beam_deeplab.pipeline.workers import (
    check_reachable,
    default_workers,
    engine_threads,
    runner_name,
    runs_here,
    worker_count,
)

CORES = default_workers()
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
