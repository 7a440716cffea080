"""A Flink cluster of two task managers gives the rows of a local run, whatever dies meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from beam_deeplab.pipeline.job_services import ask_for_flags
from beam_deeplab.pipeline.options.runner_flags import RUNNER_FLAGS
from beam_deeplab.transforms.segmenting.staging import STAGED_FOLDER
from tests.engines.conftest import OnFlink
from tests.engines.equality import assert_equal_rows, assert_equal_scores
from tests.engines.fetching import flink
from tests.engines.flink import FlinkCluster
from tests.faults.conftest import (
    COLOUR_ENGINE,
    DEADLINE,
    Job,
    ended,
    wait_until,
    write_picture,
    write_pictures,
)
from tests.faults.injections import MARK

pytestmark = pytest.mark.engines

IMAGES = 16
SLOW = {**COLOUR_ENGINE, "slow_engine": {"seconds": 0.5}}


@pytest.fixture
def local(job: Job, tmp_path: Path) -> Job:
    """The same job in one process, into an output of its own."""
    write_pictures(tmp_path / "in", IMAGES)
    job.flags += ["--quiet", "--max_failure_fraction=0.1"]
    return replace(job, output=tmp_path / "local", flags=[*job.flags])


def test_rows_resume_and_scores_equal_the_local_run_s(
    on_flink: OnFlink, job: Job, local: Job, tmp_path: Path
) -> None:
    job = on_flink.job(job, faults={})
    for number, flags in enumerate(([], ["--resume"])):
        write_picture(tmp_path / "in" / f"new{number}.png", 100 + number)
        for each in (local, job):
            done = each.run(*flags, faults={})
            assert done.code == 0, done.stderr
        assert_equal_rows(job, local)
    assert job.manifest().counts["skipped"] == IMAGES + 1
    assert_equal_scores(job, job.flags[len(local.flags) :], tmp_path)


def test_within_a_job_server_that_beam_starts(job: Job, local: Job, cluster: FlinkCluster) -> None:
    """No cluster: its workers are threads of the program."""
    flags = [f"--flink_job_server_jar={flink()}", "--job_server_jvm_properties=-Xmx512m"]
    job = replace(job, flags=[*job.flags, "--runner=FlinkRunner", *flags, "--max_bundle_size=9"])
    for each in (local, job):
        done = each.run()
        assert done.code == 0, done.stderr
    assert_equal_rows(job, local)


def _kill_a_worker(cluster: FlinkCluster) -> None:
    for worker in cluster.workers():
        worker.kill()
        return
    raise AssertionError("no worker")


def _kill_a_task_manager(cluster: FlinkCluster) -> None:
    busy = {worker.pid for worker in cluster.workers()}
    for task_manager in cluster.task_managers:
        alive = task_manager.popen.poll() is None
        if alive and busy & {child.pid for child in task_manager.children()}:
            task_manager.kill()
            cluster.add_task_manager()
            return
    raise AssertionError("no task manager has a worker")


@pytest.mark.parametrize("kill", [_kill_a_worker, _kill_a_task_manager])
def test_what_is_killed_in_the_middle_costs_nothing(
    kill: Callable[[FlinkCluster], None], on_flink: OnFlink, job: Job, local: Job
) -> None:
    done = local.run()
    assert done.code == 0, done.stderr
    job = on_flink.job(job, faults=SLOW)
    process = job.start()
    with ended(process):
        wait_until(lambda: len(job.names("masks")) >= 4, process)
        assert not job.is_committed()
        kill(on_flink.cluster)
        assert process.wait(DEADLINE) == 0, process.communicate()[1]
    assert_equal_rows(job, local)
    assert job.codes() == {}


def test_a_picture_that_aborts_its_process_is_crashed_alone_in_the_same_job(
    on_flink: OnFlink, job: Job, local: Job, tmp_path: Path
) -> None:
    names = [f"{number:04}.png" for number in range(IMAGES)]
    write_picture(tmp_path / "in" / names[5], 5, first_pixel=MARK)
    done = on_flink.job(job, faults={**COLOUR_ENGINE, "abort_in_engine": {}}).run()
    assert done.code == 0, done.stderr
    job.assert_each_once(*names)
    assert job.codes() == {names[5]: "CRASHED"}


def test_a_model_that_vanishes_is_one_line_with_its_cause(
    on_flink: OnFlink, job: Job, local: Job, tmp_path: Path
) -> None:
    staged = job.output / STAGED_FOLDER
    workers = replace(on_flink, cache=tmp_path / "cache")
    done = workers.job(job, faults={"lose_model": {"path": str(staged)}}).run(faults={})
    assert done.code == 1
    assert str(staged) in done.line
    assert "Error received from SDK harness" not in done.line


def test_the_flags_that_help_names_are_those_of_the_job_server(cluster: FlinkCluster) -> None:
    assert set(RUNNER_FLAGS["FlinkRunner"]) <= set(ask_for_flags(cluster.job_endpoint))
