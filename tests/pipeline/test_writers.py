"""One output, one writer: who is refused, who counts as dead, and what becomes of the note."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from apache_beam.options.pipeline_options import PipelineOptions

from beam_deeplab.pipeline import writers
from beam_deeplab.pipeline.options import UsageError
from beam_deeplab.pipeline.remote_jobs import RemoteJob
from beam_deeplab.pipeline.writers import check_free, find_writer, writing
from beam_deeplab.transforms import storage
from beam_deeplab.transforms.runs import attempts
from beam_deeplab.transforms.runs.attempts import note_uri
from beam_deeplab.transforms.runs.writer import (
    Writer,
    notes,
    read_note,
    take,
    this_process,
)
from tests.gcs_emulator import Gcs

pytest_plugins = ("tests.gcs_emulator",)

STARTED = "2026-01-01T00:00:00.000+00:00"
HERE = this_process(STARTED)
ELSEWHERE = replace(HERE, machine="elsewhere", host="far")
OPTIONS = PipelineOptions([])


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hearts beat a hundred times a second, and half a second without counts as death."""
    monkeypatch.setattr(writers, "PERIOD", 0.01)
    monkeypatch.setattr(writers, "PATIENCE", 0.5)


def _until(condition: Callable[[], bool]) -> None:
    for _ in range(10_000):
        if condition():
            return
        threading.Event().wait(0.01)
    raise AssertionError("nothing happened")


@contextmanager
def _beating(output: str, writer: Writer) -> Iterator[None]:
    """A writer of another machine."""
    take(output, writer)
    ended = threading.Event()

    def beat() -> None:
        while not ended.wait(0.01):
            storage.write_atomically(note_uri(output, "writer-1.json"), writer.to_json())

    thread = threading.Thread(target=beat)
    thread.start()
    yield
    ended.set()
    thread.join()


def _refusal(output: str) -> str:
    with pytest.raises(UsageError) as error:
        check_free(output, OPTIONS, advice="wait")
    assert "\n" not in str(error.value)
    return str(error.value)


def _hold(output: str, dead: frozenset[Writer] = frozenset()) -> None:
    with writing(output, OPTIONS, STARTED, dead):
        assert notes(output)


def test_an_output_is_held_for_a_while(tmp_path: Path) -> None:
    output = str(tmp_path / "out")
    assert check_free(output, OPTIONS) == frozenset()
    with writing(output, OPTIONS, STARTED, frozenset()) as claim:
        assert read_note(output, claim.name) == HERE
        refusal = _refusal(output)
        assert refusal == (
            f"process {HERE.pid} on {HERE.host}, begun {STARTED}, still writes to {output}: wait"
        )
        with pytest.raises(UsageError, match="still writes"):
            _hold(output)
    assert list((tmp_path / "out").iterdir()) == []
    check_free(output, OPTIONS)


@pytest.mark.usefixtures("hasty")
def test_a_heart_beats_until_the_commit_and_not_after(tmp_path: Path) -> None:
    output = str(tmp_path)
    with writing(output, OPTIONS, STARTED, frozenset()) as claim:
        note = tmp_path / "attempts" / claim.name
        first = note.stat().st_ino
        _until(lambda: note.stat().st_ino != first)

        def stays_away() -> bool:
            attempts.clear(output)  # a beat that is under way may bring it back once
            return not any(threading.Event().wait(0.02) or note.exists() for _ in range(10))

        _until(stays_away)
    assert notes(output) == []


@pytest.mark.usefixtures("hasty")
def test_a_writer_of_another_machine_lives_while_its_note_changes(tmp_path: Path) -> None:
    with _beating(str(tmp_path), ELSEWHERE):
        assert f"process {HERE.pid} on far" in _refusal(str(tmp_path))
        with pytest.raises(UsageError, match="on far"):
            _hold(str(tmp_path))


@pytest.mark.usefixtures("hasty")
def test_a_writer_of_another_machine_that_is_silent_is_dead(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = str(tmp_path)
    take(output, ELSEWHERE)
    dead = check_free(output, OPTIONS)
    assert dead == {ELSEWHERE}
    assert "gives no sign of life; it counts as dead after 0.5 s" in capsys.readouterr().err
    _hold(output, dead)
    assert notes(output) == []


@pytest.mark.usefixtures("hasty")
def test_a_bucket_is_held_like_a_folder(gcs: Gcs) -> None:
    output = gcs.uri("out")
    with writing(output, OPTIONS, STARTED, frozenset()):
        assert "still writes" in _refusal(output)
    assert notes(output) == []
    with _beating(output, ELSEWHERE):
        assert "on far" in _refusal(output)
    assert check_free(output, OPTIONS) == {ELSEWHERE}


def test_nothing_is_asked_of_a_bucket_but_who_writes(gcs: Gcs) -> None:
    find_writer(gcs.uri("out"), OPTIONS)
    assert [each.kind for each in gcs.server.requests] == ["list"]


def test_a_job_holds_the_output_beyond_its_launcher(tmp_path: Path) -> None:
    job = RemoteJob("job-7", "localhost:1")
    with writing(str(tmp_path), OPTIONS, STARTED, frozenset()) as claim:
        claim.hand_over(job)
    assert notes(str(tmp_path)) == [claim.name]
    assert "job job-7 on localhost:1" in _refusal(str(tmp_path))
    claim.take_back()
    claim.release()
    assert notes(str(tmp_path)) == []


@pytest.mark.parametrize("flags", [0, 1])
def test_an_output_that_is_a_file_is_refused(tmp_path: Path, flags: int) -> None:
    (tmp_path / "out").write_text("mine")
    assert "not a folder" in _refusal(str(tmp_path.joinpath("out", *["below"] * flags)))
    assert (tmp_path / "out").read_text() == "mine"


_SILENT = """
import sys, threading
from apache_beam.options.pipeline_options import PipelineOptions
from beam_deeplab.pipeline import writers
writers.PERIOD = 0.05
with writers.writing(sys.argv[1], PipelineOptions([]), "2026", frozenset()):
    print("holds", flush=True)
    threading.Event().wait()
"""


def test_who_wakes_up_behind_another_s_back_ends(tmp_path: Path) -> None:
    output = str(tmp_path)
    command = [sys.executable, "-c", _SILENT, output]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "holds\n"
        (name,) = notes(output)
        dead = Writer(**json.loads((tmp_path / "attempts" / name).read_text()))
        assert take(output, HERE, [dead]) == "writer-2.json"
        _, said = process.communicate(timeout=60)
    assert process.returncode == 1
    assert said == (
        f"beam-deeplab: another run writes {output} now, since this one gave no sign of life: "
        "it ends here\n"
    )
    assert read_note(output, "writer-2.json") == HERE
