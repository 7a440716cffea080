"""Two processes at once in one output: one result, or a line that says there is none."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from beam_deeplab.transforms.records import ImageRef, Part
from beam_deeplab.transforms.runs.committing import CommitError, commit_run
from beam_deeplab.transforms.runs.inventory import take_inventory
from beam_deeplab.transforms.runs.resuming import plan_resume
from beam_deeplab.transforms.runs.sharding import Sharding, plan_shards
from beam_deeplab.transforms.runs.writing import write_shard
from tests.faults.conftest import DEADLINE, REPOSITORY, Job, ended, write_pictures
from tests.rows import FACTS, RUN, shard_rows

pytestmark = pytest.mark.slow

REFS = [ImageRef(f"{number}.jpg", "1") for number in range(6)]
PLAN = plan_shards(REFS, (), "print", Sharding(6))
ROUNDS = 25

_WRITER = """
import sys
from tests.faults.test_two_writers import write_rounds
write_rounds(sys.argv[1], sys.argv[2:])
"""


def write_rounds(outputs: str, failed: list[str]) -> None:
    """Writes the same shard to one output after another, each when told to."""
    (shard,) = PLAN.shards
    print("ready", flush=True)
    for number, _ in enumerate(sys.stdin):
        list(write_shard(f"{outputs}/{number}", shard.id, shard_rows(shard, failed), FACTS))
        print("done", flush=True)


def _write_at_once(outputs: Path, *failed: list[str]) -> None:
    """Each list of failed images is a process; they write each of the rounds together."""
    with contextlib.ExitStack() as stack:
        writers = [
            stack.enter_context(
                ended(
                    subprocess.Popen(
                        [sys.executable, "-c", _WRITER, str(outputs), *names],
                        cwd=REPOSITORY,
                        stdin=subprocess.PIPE,
                        stdout=subprocess.PIPE,
                        text=True,
                    )
                )
            )
            for names in failed
        ]
        for round_number in range(ROUNDS + 1):
            for writer in writers:
                assert writer.stdin is not None
                assert writer.stdout is not None
                assert writer.stdout.readline().strip() == ("done" if round_number else "ready")
            if round_number < ROUNDS:
                for writer in writers:
                    assert writer.stdin is not None
                    writer.stdin.write("\n")
                    writer.stdin.flush()


def _standing(output: Path) -> list[Part]:
    return [standing.part for standing in take_inventory(str(output)).parts()]


def test_the_same_shard_written_by_two_processes_at_once(tmp_path: Path) -> None:
    _write_at_once(tmp_path, ["2.jpg"], ["2.jpg"])
    for number in range(ROUNDS):
        output = tmp_path / str(number)
        commit_run(str(output), RUN, PLAN.summary(), _standing(output))
        assert [part.rows for part in _standing(output)] == [1, len(REFS) - 1]
        assert not list(output.rglob(".*"))


@pytest.mark.parametrize(
    "failed",
    [([], ["2.jpg"]), (["1.jpg"], ["2.jpg"]), ([ref.uri for ref in REFS], [])],
    ids=["one-row", "another-row", "all-rows"],
)
def test_two_processes_with_other_outcomes_commit_one_of_them_or_none(
    failed: tuple[list[str], list[str]], tmp_path: Path
) -> None:
    """A read failed for one of them: what stands is one outcome as a whole, or is redone."""
    _write_at_once(tmp_path, *failed)
    for number in range(ROUNDS):
        output = str(tmp_path / str(number))
        with contextlib.suppress(CommitError):
            commit_run(output, RUN, PLAN.summary(), _standing(tmp_path / str(number)))
            (parts,) = take_inventory(output).shards.values()
            outcome = [ref.uri for ref in parts.refs("failures")]
            assert outcome in failed
        plan, summary = plan_resume(output, REFS, RUN, Sharding())
        written = [
            part
            for shard in plan.shards
            for part in write_shard(output, shard.id, shard_rows(shard), FACTS)
        ]
        counts = commit_run(output, RUN, summary, written).counts
        assert (counts["total_masks"], counts["total_failures"]) == (len(REFS), 0)


def test_two_resumes_at_once_leave_an_output_that_a_third_completes(
    job: Job, tmp_path: Path
) -> None:
    """Nobody should; but each of the two commits all or says why not."""
    write_pictures(tmp_path / "in", 24)
    halted = {"use_colour_engine": {}, "lose_part": {"dataset": "masks", "cut": None}}
    assert job.run("--quiet", faults=halted).code == 1
    processes = [job.start("--resume", "--quiet") for _ in range(2)]
    with ended(processes[0]), ended(processes[1]):
        codes = [process.wait(DEADLINE) for process in processes]
        lines = [process.stderr.read() for process in processes if process.stderr is not None]
    assert set(codes) <= {0, 1}
    for code, line in zip(codes, lines, strict=True):
        assert "Traceback" not in line
        assert (code == 0) == ("beam-deeplab:" not in line)
    names = [f"{number:04}.png" for number in range(24)]
    if 0 in codes and job.is_committed():
        assert set(Counter(job.names("masks")).values()) == {1}
    done = job.run("--resume", "--quiet")
    assert done.code == 0, done.stderr
    job.assert_each_once(*names)
