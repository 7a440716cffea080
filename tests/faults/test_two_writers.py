"""Two processes at once in one output: one result, or a line that says there is none."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from beam_deeplab.pipeline import attaching, writers
from beam_deeplab.pipeline.cli import main
from beam_deeplab.pipeline.progress import display
from beam_deeplab.pipeline.writers import Pulse
from beam_deeplab.transforms.records import ImageRef
from beam_deeplab.transforms.runs.commit_facts import CommitError
from beam_deeplab.transforms.runs.inventory import take_inventory
from beam_deeplab.transforms.runs.sharding import Sharding
from beam_deeplab.transforms.runs.writing import write_shard
from tests.faults.conftest import (
    COLOUR_ENGINE,
    DEADLINE,
    REPOSITORY,
    Job,
    ended,
    wait_until,
    write_pictures,
)
from tests.forking import Forked
from tests.plans import commit_run, plan_resume, plan_shards, standing_parts_of
from tests.rows import FACTS, RUN, shard_rows

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
                    Forked(
                        [sys.executable, "-c", _WRITER, str(outputs), *names],
                        cwd=REPOSITORY,
                        stdin=subprocess.PIPE,
                        stdout=subprocess.PIPE,
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


def test_the_same_shard_written_by_two_processes_at_once(tmp_path: Path) -> None:
    _write_at_once(tmp_path, ["2.jpg"], ["2.jpg"])
    for number in range(ROUNDS):
        output = tmp_path / str(number)
        commit_run(str(output), RUN, PLAN.summary(), standing_parts_of(output))
        assert [part.rows for part in standing_parts_of(output)] == [1, len(REFS) - 1]
        assert not list(output.rglob(".*"))


@pytest.mark.slow
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
            commit_run(output, RUN, PLAN.summary(), standing_parts_of(tmp_path / str(number)))
            (parts,) = take_inventory(output).values()
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


@pytest.mark.slow
def test_of_two_resumes_at_once_one_works_and_the_other_is_refused_or_follows_it(
    job: Job, tmp_path: Path
) -> None:
    write_pictures(tmp_path / "in", 24)
    halted = {"use_colour_engine": {}, "lose_part": {"dataset": "masks", "cut": None}}
    assert job.run("--quiet", faults=halted).code == 1
    processes = [job.start("--resume", "--quiet") for _ in range(2)]
    with ended(processes[0]), ended(processes[1]):
        codes = [process.wait(DEADLINE) for process in processes]
        lines = [process.stderr.read() for process in processes if process.stderr is not None]
    assert set(codes) <= {0, 2}
    assert 0 in codes
    for code, line in zip(codes, lines, strict=True):
        assert "Traceback" not in line
        assert (code == 0) == ("beam-deeplab:" not in line)
    job.assert_each_once(*(f"{number:04}.png" for number in range(24)))


@contextlib.contextmanager
def _at_work(
    job: Job, folder: Path, *flags: str, faults: Mapping[str, Any] = {}
) -> Iterator[subprocess.Popen[str]]:
    """A run that stands in its first batch until ``folder / "gate"`` is there."""
    names = {"gate": str(folder / "gate"), "sign": str(folder / "sign")}
    process = job.start(*flags, faults={**COLOUR_ENGINE, "hold_engine": names, **faults})
    with ended(process):
        wait_until((folder / "sign").exists, process)
        yield process


def _everything(output: Path) -> dict[str, tuple[int, int]]:
    return {
        str(path): (path.stat().st_ino, path.stat().st_mtime_ns)
        for path in output.rglob("*")
        if path.is_file()
    }


NAMES = [f"{number:04}.png" for number in range(8)]


@pytest.mark.usefixtures("colour_engine")
def test_a_second_run_is_refused_while_the_first_lives_and_a_resume_goes_once_it_is_killed(
    job: Job,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    write_pictures(tmp_path / "in", 8)
    with _at_work(job, tmp_path, "--quiet") as first:
        first.send_signal(signal.SIGSTOP)  # it lives all the same, and touches nothing itself
        os.waitid(os.P_PID, first.pid, os.WSTOPPED | os.WNOWAIT)
        before = _everything(job.output)
        for flags in ([], ["--resume"], ["--overwrite"], ["--overwrite", "--dry_run"]):
            assert job.main(*flags) == 2
            (line,) = capsys.readouterr().err.splitlines()
            assert f"process {first.pid} on " in line
            assert "still writes" in line
            assert "`segment --attach` follows it" in line
        assert _everything(job.output) == before
        first.kill()
        first.wait()

    def nobody_is_waited_for(_: Pulse) -> float:
        raise AssertionError

    monkeypatch.setattr(Pulse, "silence", property(nobody_is_waited_for))
    assert job.main("--resume") == 0
    assert capsys.readouterr().err == ""
    job.assert_each_once(*NAMES)
    assert list(job.output.glob("attempts/*")) == []


def test_who_attaches_ends_as_the_run_does(
    job: Job,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    write_pictures(tmp_path / "in", 8)
    (tmp_path / "in" / "bad.png").write_bytes(b"no picture")

    def watch(output: str, *, quiet: bool) -> contextlib.AbstractContextManager[None]:
        (tmp_path / "gate").touch()
        return display.watch(output, quiet=quiet)

    monkeypatch.setattr(attaching, "watch", watch)
    with _at_work(job, tmp_path) as first:
        code = main(job.arguments("--attach"))
        summary, complaint = first.communicate(timeout=DEADLINE)
    followed = capsys.readouterr()
    # One of nine images failed, which is more than the run was to accept.
    assert (first.returncode, code) == (1, 1)
    assert f"following process {first.pid} on " in followed.err
    assert "9 of 9 images" in followed.err
    assert followed.err.splitlines()[-1] == complaint.splitlines()[-1]
    assert "1 of 9 images failed" in complaint
    assert [line for line in followed.out.splitlines() if "time" not in line] == [
        line for line in summary.splitlines() if "time" not in line
    ]


@pytest.mark.slow
@pytest.mark.usefixtures("colour_engine")
def test_a_run_of_another_machine_is_refused_while_its_heart_beats(
    job: Job,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(writers, "PERIOD", 0.05)
    monkeypatch.setattr(writers, "PATIENCE", 5.0)
    write_pictures(tmp_path / "in", 8)
    with _at_work(job, tmp_path, "--quiet", faults={"be_elsewhere": {"host": "far"}}) as first:
        for flag in ("--resume", "--overwrite"):
            assert job.main(flag) == 2
            *_, line = capsys.readouterr().err.splitlines()
            assert f"process {first.pid} on far, begun " in line
        first.kill()
        first.wait()
    assert job.main("--resume") == 0
    (line,) = capsys.readouterr().err.splitlines()
    assert "on far, begun " in line
    assert "counts as dead after 5 s" in line
    job.assert_each_once(*NAMES)
