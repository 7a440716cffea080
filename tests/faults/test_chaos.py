"""Whatever stops a run, however often: the same rows in the end, nobody blamed, little lost."""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.faults.conftest import COLOUR_ENGINE, DEADLINE, Job, ended, write_pictures

IMAGES = 300
SHARD_SIZE = 10
THREADS = 2
STOPS = 30
SEED = int(os.environ.get("CHAOS_SEED", "20261125"))
KINDS = ("SIGTERM", "SIGINT", "SIGKILL of the group", "SIGSTOP and on")


def _inferred(log: Path) -> list[str]:
    return log.read_text().split() if log.exists() else []


def _stop(process: subprocess.Popen[str], kind: str, rng: random.Random) -> None:
    """Stops a process in one of the ways that processes are stopped."""
    if kind == "SIGKILL of the group":
        os.killpg(process.pid, signal.SIGKILL)
    elif kind == "SIGSTOP and on":
        process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WNOWAIT)
        process.send_signal(signal.SIGCONT)
        process.send_signal(rng.choice([signal.SIGTERM, signal.SIGKILL]))
    else:
        process.send_signal(getattr(signal, kind))
    process.wait(DEADLINE)


def _wait_for_pictures(process: subprocess.Popen[str], log: Path, count: int) -> bool:
    """Whether the process lives when so many pictures have been inferred in all."""
    deadline = time.monotonic() + DEADLINE
    while len(_inferred(log)) < count:
        if process.poll() is not None:
            return False
        assert time.monotonic() < deadline, "nothing happened"
        time.sleep(0.01)
    return True


@pytest.mark.slow
def test_thirty_random_stops_lose_nothing_and_blame_nobody(
    job: Job, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_pictures(tmp_path / "in", IMAGES)
    undisturbed = Job(job.inputs, tmp_path / "undisturbed", job.model, job.flags)
    job.flags = undisturbed.flags = ["--canvas", "65", "65", f"--shard_size={SHARD_SIZE}"]
    assert undisturbed.run("--quiet").code == 0
    rng = random.Random(SEED)
    log = tmp_path / "inferred.txt"
    faults = {**COLOUR_ENGINE, "slow_engine": {"seconds": 0.1}, "log_inferred": {"log": str(log)}}
    stops = Counter[str]()
    in_flight = 0
    while stops.total() < STOPS:
        before = len(_inferred(log))
        durable = _durable(job)
        process = job.start("--resume", "--quiet", f"--direct_num_workers={THREADS}", faults=faults)
        with ended(process):
            if not _wait_for_pictures(process, log, before + rng.randint(1, 6)):
                assert process.returncode == 0, process.communicate()[1]
                break
            kind = KINDS[stops.total() % len(KINDS)]
            _stop(process, kind, rng)
        stops[kind] += 1
        assert process.returncode != 0
        gone = len(_inferred(log)) - before - (_durable(job) - durable)
        assert gone <= THREADS * 2 * SHARD_SIZE, f"{kind}: {gone} pictures for nothing"
        in_flight += gone
    assert stops.total() == STOPS, f"it ended after {stops}"
    done = job.run("--resume", "--quiet", f"--direct_num_workers={THREADS}", faults=faults)
    assert done.code == 0, done.stderr
    for dataset in ("masks", "failures", "class_areas", "images"):
        assert job.rows(dataset) == undisturbed.rows(dataset), dataset
    assert job.codes() == {}
    inferred = len(_inferred(log))
    with capsys.disabled():
        print(f"\n{STOPS} stops over {IMAGES} pictures: {inferred} inferred, seed {SEED}")
    assert inferred <= IMAGES + in_flight


def _durable(job: Job) -> int:
    """Pictures whose masks are durable, in a part or kept aside."""
    shards = {re.sub(r"part-|\.parquet", "", path.name) for path in job.output.glob("masks/part-*")}
    aside = [path for path in job.output.glob("attempts/*.row-*") if path.name[:16] not in shards]
    return len(job.names("masks")) + len(aside)
