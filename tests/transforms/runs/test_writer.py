"""Who holds an output: one at a time, and never one that is dead."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from beam_deeplab.transforms import storage
from beam_deeplab.transforms.runs.attempts import note_uri
from beam_deeplab.transforms.runs.writer import (
    NotHeldError,
    Writer,
    notes,
    pass_if_held,
    process_lives,
    read_note,
    take,
    this_process,
)
from tests.gcs_emulator import Gcs
from tests.killed_runs import World

pytest_plugins = ("tests.gcs_emulator",)

STARTED = "2026-01-01T00:00:00.000+00:00"
HERE = this_process(STARTED)
ELSEWHERE = replace(HERE, machine="elsewhere")


def test_of_many_at_once_one_takes_an_output(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        taken = list(pool.map(lambda _: take(str(tmp_path), HERE), range(8)))
    assert sorted(map(str, taken)) == ["None"] * 7 + ["writer-1.json"]
    assert read_note(str(tmp_path), "writer-1.json") == HERE


def test_of_many_at_once_one_takes_over_from_the_dead(tmp_path: Path) -> None:
    take(str(tmp_path), ELSEWHERE)
    assert take(str(tmp_path), HERE) is None
    with ThreadPoolExecutor(8) as pool:
        taken = list(pool.map(lambda _: take(str(tmp_path), HERE, [ELSEWHERE]), range(8)))
    assert sorted(map(str, taken)) == ["None"] * 7 + ["writer-2.json"]
    assert notes(str(tmp_path)) == ["writer-2.json"]


def test_a_note_that_is_another_s_by_now_is_not_taken_for_the_dead_one_s(tmp_path: Path) -> None:
    take(str(tmp_path), ELSEWHERE)
    storage.write_atomically(note_uri(str(tmp_path), "writer-1.json"), HERE.to_json())
    assert take(str(tmp_path), HERE, [ELSEWHERE]) is None


def test_who_comes_late_by_another_number_gives_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has listed a note that was then given up, and another run has begun since by number 1."""
    output = str(tmp_path)
    take(output, ELSEWHERE)
    create = storage.create_if_absent

    def create_late(uri: str, data: bytes) -> bool:
        storage.write_atomically(note_uri(output, "writer-1.json"), HERE.to_json())
        return create(uri, data)

    monkeypatch.setattr(storage, "create_if_absent", create_late)
    assert take(output, replace(HERE, pid=1), [ELSEWHERE]) is None
    assert read_note(output, "writer-1.json") == HERE
    assert notes(output) == ["writer-1.json"]


def test_the_last_of_many_notes_is_the_holder_s(tmp_path: Path) -> None:
    for number in (9, 10, 11):
        storage.write_atomically(note_uri(str(tmp_path), f"writer-{number}.json"), HERE.to_json())
    storage.write_atomically(note_uri(str(tmp_path), "writer-x.json"), b"of somebody else")
    assert notes(str(tmp_path)) == ["writer-9.json", "writer-10.json", "writer-11.json"]


def test_a_bucket_is_taken_by_one(gcs: Gcs) -> None:
    output = gcs.uri("out")
    assert take(output, ELSEWHERE) == "writer-1.json"
    assert take(output, HERE) is None
    assert take(output, HERE, [ELSEWHERE]) == "writer-2.json"
    assert notes(output) == ["writer-2.json"]


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"pid": 1}'])
def test_a_note_that_is_none_of_ours_is_an_error(content: bytes, tmp_path: Path) -> None:
    storage.write_atomically(note_uri(str(tmp_path), "writer-1.json"), content)
    with pytest.raises(ValueError, match=r"."):
        read_note(str(tmp_path), "writer-1.json")


def _ended_process() -> Writer:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        created = psutil.Process(process.pid).create_time()
        writer = replace(HERE, pid=process.pid, process_started=created)
        assert process_lives(writer)
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert process_lives(writer) is False  # a zombie
    return writer


def test_what_is_known_of_processes(tmp_path: Path) -> None:
    assert process_lives(HERE)
    assert process_lives(_ended_process()) is False
    assert process_lives(ELSEWHERE) is None
    # Another process has its number now, or the clock was set.
    assert process_lives(replace(HERE, process_started=HERE.process_started - 100)) is None


def test_a_job_begins_only_while_it_holds_the_output(tmp_path: Path) -> None:
    output = str(tmp_path)
    name = take(output, ELSEWHERE)
    assert name is not None
    assert pass_if_held("a", output, name, STARTED) == "a"
    take(output, HERE, [ELSEWHERE])
    with pytest.raises(NotHeldError):
        pass_if_held("a", output, name, STARTED)


def test_a_job_that_is_repeated_behind_its_commit_passes(tmp_path: Path) -> None:
    world = World(tmp_path)
    with pytest.raises(NotHeldError):
        pass_if_held("a", world.out, "writer-1.json", STARTED)
    manifest = world.run(2)
    assert pass_if_held("a", world.out, "writer-1.json", manifest.started) == "a"
    with pytest.raises(NotHeldError):
        pass_if_held("a", world.out, "writer-1.json", "2025-01-01T00:00:00.000+00:00")
