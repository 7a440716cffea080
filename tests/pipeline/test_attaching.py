"""Following a run to its end, whoever has started it and however it ends."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path

import psutil
import pytest

from beam_deeplab.pipeline import attaching
from beam_deeplab.pipeline.attaching import attach
from beam_deeplab.pipeline.options import RunFailedError, UsageError
from beam_deeplab.pipeline.remote_jobs import RemoteJob
from beam_deeplab.transforms.runs.writer import Writer, read_note, take, this_process
from tests.killed_runs import World
from tests.rows import RUN

NOTE = "writer-1.json"


@pytest.fixture
def process() -> Iterator[subprocess.Popen[bytes]]:
    """Somebody who does nothing."""
    command = [sys.executable, "-c", "input()"]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as process:
        yield process
        process.kill()


@pytest.fixture
def world(tmp_path: Path, process: subprocess.Popen[bytes]) -> World:
    """An output that the process holds, of one image and before any run."""
    world = World(tmp_path)
    world.put("a", "good")
    take(world.out, _writer(process))
    return world


def _writer(process: subprocess.Popen[bytes]) -> Writer:
    created = psutil.Process(process.pid).create_time()
    return replace(this_process(RUN.started), pid=process.pid, process_started=created)


@pytest.fixture
def meanwhile(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], object]], None]:
    """Lets something happen once the run is being followed."""

    def set_action(action: Callable[[], object]) -> None:
        @contextlib.contextmanager
        def watch(*_: object, **__: object) -> Iterator[None]:
            action()
            yield

        monkeypatch.setattr(attaching, "watch", watch)

    return set_action


Meanwhile = Callable[[Callable[[], object]], None]


def test_a_run_that_commits(world: World, meanwhile: Meanwhile) -> None:
    meanwhile(lambda: world.run(1))  # which clears the note, though its process lives
    assert attach(world.out, quiet=True).counts["masks"] == 1


def test_a_run_that_was_committed_before(world: World) -> None:
    world.run(1)
    assert attach(world.out, quiet=True).counts["masks"] == 1


def test_a_run_whose_process_is_killed(
    world: World, process: subprocess.Popen[bytes], meanwhile: Meanwhile
) -> None:
    def kill() -> None:
        process.kill()
        process.wait()

    meanwhile(kill)
    with pytest.raises(RunFailedError, match=rf"process {process.pid} on .* ended without a comm"):
        attach(world.out, quiet=True)


def test_an_earlier_commit_is_no_end_of_a_run_that_is_killed(
    world: World, process: subprocess.Popen[bytes], meanwhile: Meanwhile
) -> None:
    world.run(1)
    later = replace(_writer(process), started="2027-01-01T00:00:00.000+00:00")
    take(world.out, later)
    meanwhile((world.output.folder / "attempts" / NOTE).unlink)
    with pytest.raises(RunFailedError, match="ended without a commit"):
        attach(world.out, quiet=True)


def test_a_note_that_passes_from_the_launcher_to_its_job(
    world: World, process: subprocess.Popen[bytes], meanwhile: Meanwhile
) -> None:
    """A job that cannot be asked for a while is followed until it has committed."""
    job = replace(_writer(process), job=asdict(RemoteJob("job-7", "localhost:1")))
    note = world.output.folder / "attempts" / NOTE

    def hand_over() -> None:
        note.write_bytes(job.to_json())
        process.kill()
        process.wait()

    meanwhile(hand_over)
    asked: list[str] = []

    def cannot_be_asked(*_: object) -> str:
        asked.append("")
        if len(asked) == 2:
            world.run(1)
        raise OSError("nobody answers")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("beam_deeplab.pipeline.writers.state_of", cannot_be_asked)
        patch.setattr(attaching, "look_seconds", lambda _: 0.01)
        assert attach(world.out, quiet=True).counts["masks"] == 1
    assert len(asked) == 2


def test_no_run(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="holds no run"):
        attach(str(tmp_path), quiet=True)


def test_a_run_that_never_committed(world: World, process: subprocess.Popen[bytes]) -> None:
    (world.output.folder / "run.json").write_bytes(RUN.to_json())
    process.kill()
    process.wait()
    with pytest.raises(RunFailedError, match=r"not committed.*--resume continues"):
        attach(world.out, quiet=True)


def test_who_leaves_is_told_that_the_run_goes_on(
    world: World, process: subprocess.Popen[bytes], meanwhile: Meanwhile
) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    meanwhile(interrupt)
    with pytest.raises(KeyboardInterrupt, match=rf"process {process.pid} on .* goes on; --attach"):
        attach(world.out, quiet=True)
    assert read_note(world.out, NOTE) == _writer(process)
