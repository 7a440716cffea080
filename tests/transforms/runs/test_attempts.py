"""Notes that outlive the process: what was begun, and which image was in hand when it died."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from beam_deeplab.transforms.records import ImageRef, Shard, ShardSlot
from beam_deeplab.transforms.runs import attempts
from beam_deeplab.transforms.runs.sharding import PlanSummary
from tests.rows import FACTS, segmentation

SHARD = Shard("0123456789abcdef", (ImageRef("a b.jpg", "1-2"), ImageRef("gs://b/ü.jpg", "17")))
OTHER = Shard("fedcba9876543210", (ImageRef("c.jpg", ""),))


def _notes(output: Path) -> list[str]:
    return sorted(path.name for path in (output / "attempts").glob("*"))


def test_only_the_first_beginning_is_the_first(tmp_path: Path) -> None:
    assert attempts.begin(str(tmp_path), SHARD)
    assert not attempts.begin(str(tmp_path), SHARD)
    assert attempts.begin(str(tmp_path), OTHER)
    attempts.finish(str(tmp_path), SHARD.id)
    assert attempts.begin(str(tmp_path), SHARD)


def test_begun_shards_come_back_with_their_images(tmp_path: Path) -> None:
    assert attempts.list_notes(str(tmp_path)) == {}
    attempts.begin(str(tmp_path), OTHER)
    attempts.begin(str(tmp_path), SHARD)
    assert attempts.list_notes(str(tmp_path)).keys() == {SHARD.id, OTHER.id}
    (notes,) = attempts.list_notes(str(tmp_path), SHARD.id[:1]).values()
    assert (notes.shard, notes.is_begun, notes.is_rewritten) == (SHARD.id, True, False)
    assert attempts.begun_images(str(tmp_path), SHARD.id) == SHARD.refs
    attempts.finish(str(tmp_path), SHARD.id)
    assert attempts.begun_images(str(tmp_path), SHARD.id) == ()


SLOT = ShardSlot(SHARD.id, 1, 2, with_care=True)


def _deaths(output: Path, shard: str = SHARD.id) -> Mapping[int, int]:
    return attempts.earlier_attempts(str(output), shard).deaths


def test_an_image_is_open_while_it_is_in_hand(tmp_path: Path) -> None:
    with attempts.in_hand(str(tmp_path), SLOT):
        assert _deaths(tmp_path) == {1: 1}
        assert _deaths(tmp_path, OTHER.id) == {}
    assert _deaths(tmp_path) == {}


def test_an_image_that_raises_has_not_killed_its_process(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="disk"), attempts.in_hand(str(tmp_path), SLOT):
        raise OSError("disk full")
    assert _notes(tmp_path) == []


_DIE = """
import os, sys
from beam_deeplab.transforms.records import ShardSlot
from beam_deeplab.transforms.runs import attempts
with attempts.in_hand(sys.argv[1], ShardSlot(sys.argv[2], 0, 2)):
    pass
with attempts.in_hand(sys.argv[1], ShardSlot(sys.argv[2], 1, 2), int(sys.argv[3])):
    os.kill(os.getpid(), int(sys.argv[4]))
"""


def _has_fatal(output: Path) -> bool:
    return attempts.list_notes(str(output))[SHARD.id].has_fatal(str(output))


def _die_with_an_image_open(output: Path, of: signal.Signals = signal.SIGABRT) -> None:
    arguments = [str(output), SHARD.id, str(_deaths(output).get(1, 0)), str(int(of))]
    done = subprocess.run([sys.executable, "-c", _DIE, *arguments], check=False)
    assert done.returncode == -of


def test_an_image_is_fatal_when_two_processes_have_died_with_it(tmp_path: Path) -> None:
    _die_with_an_image_open(tmp_path)
    assert _deaths(tmp_path) == {1: 1}
    assert attempts.earlier_attempts(str(tmp_path), SHARD.id).fatal == frozenset()
    assert not _has_fatal(tmp_path)
    _die_with_an_image_open(tmp_path)
    assert attempts.earlier_attempts(str(tmp_path), SHARD.id).fatal == {1}
    attempts.begin(str(tmp_path), SHARD)
    attempts.finish(str(tmp_path), SHARD.id, with_care=True)
    assert _has_fatal(tmp_path), "until the commit"


def test_what_is_killed_from_outside_a_few_times_may_be_innocent(tmp_path: Path) -> None:
    """A crash leaves its traceback, and too little memory is counted by the system."""
    for deaths in range(1, attempts.FATAL_KILLS):
        _die_with_an_image_open(tmp_path, signal.SIGKILL)
        assert _deaths(tmp_path) == {1: deaths}
        assert not _has_fatal(tmp_path)
    _die_with_an_image_open(tmp_path, signal.SIGKILL)
    assert _has_fatal(tmp_path)


@pytest.mark.parametrize("of", [signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE, signal.SIGILL])
def test_a_crash_is_seen_in_the_note(tmp_path: Path, of: signal.Signals) -> None:
    _die_with_an_image_open(tmp_path, of)
    (note,) = _notes(tmp_path)
    assert "Fatal Python error" in (tmp_path / "attempts" / note).read_text()


def test_an_image_that_comes_through_is_no_suspect_any_more(tmp_path: Path) -> None:
    _die_with_an_image_open(tmp_path)
    with attempts.in_hand(str(tmp_path), SLOT, earlier_deaths=1):
        pass
    assert _notes(tmp_path) == []


_LET_GO = """
import os, sys
from beam_deeplab.transforms.records import ShardSlot
from beam_deeplab.transforms.runs import attempts
with attempts.in_hand(sys.argv[1], ShardSlot(sys.argv[2], 1, 2), 1):
    attempts.let_go()
    os._exit(0)
"""


def test_a_process_that_ends_on_purpose_takes_its_own_note_back(tmp_path: Path) -> None:
    _die_with_an_image_open(tmp_path)
    subprocess.run([sys.executable, "-c", _LET_GO, str(tmp_path), SHARD.id], check=True)
    assert _deaths(tmp_path) == {1: 1}


def test_threads_have_one_image_in_hand_at_a_time(tmp_path: Path) -> None:
    """Else the death of the process would not tell which one it was."""
    most = []

    def work(index: int) -> None:
        with attempts.in_hand(str(tmp_path), ShardSlot(SHARD.id, index, 40)):
            most.append(len(_notes(tmp_path)))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(40)))
    assert most == [1] * 40
    assert _notes(tmp_path) == []


def test_a_row_that_is_kept_aside_comes_back_as_it_was(tmp_path: Path) -> None:
    row = segmentation(SHARD.refs[1], SLOT, b"pixels")
    attempts.begin(str(tmp_path), SHARD)
    attempts.keep_aside(str(tmp_path), row, FACTS, "")
    assert attempts.earlier_attempts(str(tmp_path), SHARD.id).kept == {1}
    assert attempts.kept_row(str(tmp_path), row.ref, SLOT) == row
    newer = replace(row.ref, version="later")
    assert attempts.kept_row(str(tmp_path), newer, SLOT) is None
    (tmp_path / "attempts" / f"{SHARD.id}.row-1").write_bytes(b"damaged")
    assert attempts.kept_row(str(tmp_path), row.ref, SLOT) is None
    attempts.finish(str(tmp_path), SHARD.id, with_care=True)
    assert _notes(tmp_path) == []


_BEGIN = """
import sys
from beam_deeplab.transforms.runs import attempts
from beam_deeplab.transforms.records import ImageRef, Shard
print("ready", flush=True)
sys.stdin.readline()
print(attempts.begin(sys.argv[1], Shard("0" * 16, (ImageRef("a"),))))
"""


def test_of_processes_that_begin_at_once_one_is_the_first(tmp_path: Path) -> None:
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", _BEGIN, str(tmp_path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    for process in processes:
        assert process.stdout is not None
        process.stdout.readline()
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    answers = [process.communicate()[0].strip() for process in processes]
    assert sorted(answers) == ["False", "False", "False", "True"]


def test_a_shard_is_forgotten_with_all_its_notes_and_no_others(tmp_path: Path) -> None:
    for shard in (SHARD, OTHER):
        attempts.begin(str(tmp_path), shard)
        attempts.begin_rewrite(str(tmp_path), shard.id, {"masks": frozenset("a")})
    attempts.forget(str(tmp_path), attempts.list_notes(str(tmp_path))[SHARD.id])
    assert _notes(tmp_path) == [f"{OTHER.id}.begun", f"{OTHER.id}.rewrite"]
    (tmp_path / "attempts" / "mine.txt").write_text("mine")
    attempts.clear(str(tmp_path))
    assert _notes(tmp_path) == ["mine.txt"]


def test_a_rewrite_is_noted_with_what_leaves(tmp_path: Path) -> None:
    leaving = {"masks": frozenset({"b", "ü"}), "failures": frozenset("c")}
    attempts.begin_rewrite(str(tmp_path), SHARD.id, leaving)
    assert attempts.list_notes(str(tmp_path))[SHARD.id].is_rewritten
    assert attempts.begun_rewrite(str(tmp_path), SHARD.id) == leaving
    attempts.finish_rewrite(str(tmp_path), SHARD.id)
    assert attempts.begun_rewrite(str(tmp_path), SHARD.id) is None


def test_the_plan_is_noted_in_counts(tmp_path: Path) -> None:
    summary = PlanSummary(9, 2, 3, 6, 5, 1)
    attempts.note_plan(str(tmp_path), summary)
    plan = json.loads((tmp_path / "attempts" / attempts.PLAN_FILE).read_bytes())
    assert plan == {
        "inputs": 9,
        "duplicates": 2,
        "skipped": 3,
        "planned": 6,
        "not_in_inputs": 5,
        "discarded_parts": 1,
    }
    assert attempts.list_notes(str(tmp_path)) == {}
