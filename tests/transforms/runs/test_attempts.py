"""Notes that outlive the process: what was begun, and which image was in hand when it died."""

from __future__ import annotations

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from beam_deeplab.transforms.records import ImageRef, Shard
from beam_deeplab.transforms.runs import attempts
from beam_deeplab.transforms.runs.sharding import PlanSummary

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
    assert attempts.begun_shards(str(tmp_path)) == []
    attempts.begin(str(tmp_path), OTHER)
    attempts.begin(str(tmp_path), SHARD)
    assert attempts.begun_shards(str(tmp_path)) == [SHARD, OTHER]


def test_an_image_is_open_while_it_is_in_hand(tmp_path: Path) -> None:
    with attempts.in_hand(str(tmp_path), SHARD.id, 1):
        assert attempts.fatal_images(str(tmp_path), SHARD.id) == {1}
        assert attempts.fatal_images(str(tmp_path), OTHER.id) == frozenset()
    assert attempts.fatal_images(str(tmp_path), SHARD.id) == frozenset()


def test_an_image_that_raises_has_not_killed_its_process(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="disk"), attempts.in_hand(str(tmp_path), SHARD.id, 1):
        raise OSError("disk full")
    assert _notes(tmp_path) == []


_DIE = """
import os, sys
from beam_deeplab.transforms.runs import attempts
with attempts.in_hand(sys.argv[1], sys.argv[2], 0):
    pass
with attempts.in_hand(sys.argv[1], sys.argv[2], 1):
    os.abort()
"""


def test_what_was_in_hand_when_a_process_died_stays_noted(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", _DIE, str(tmp_path), SHARD.id], check=False)
    assert done.returncode < 0
    assert attempts.fatal_images(str(tmp_path), SHARD.id) == {1}
    assert attempts.shards_with_fatal_images(str(tmp_path)) == {SHARD.id}
    attempts.begin(str(tmp_path), SHARD)
    attempts.finish(str(tmp_path), SHARD.id)
    assert attempts.shards_with_fatal_images(str(tmp_path)) == {SHARD.id}


_LET_GO = """
import os, sys
from beam_deeplab.transforms.runs import attempts
with attempts.in_hand(sys.argv[1], sys.argv[2], 1):
    attempts.let_go()
    os._exit(0)
"""


def test_a_process_that_ends_on_purpose_takes_its_notes_back(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", _LET_GO, str(tmp_path), SHARD.id], check=True)
    assert _notes(tmp_path) == []


def test_threads_have_one_image_in_hand_at_a_time(tmp_path: Path) -> None:
    """Else the death of the process would not tell which one it was."""
    most = []

    def work(index: int) -> None:
        with attempts.in_hand(str(tmp_path), SHARD.id, index):
            most.append(len(_notes(tmp_path)))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(40)))
    assert most == [1] * 40
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
        attempts.begin_rewrite(str(tmp_path), shard.id, ["a"])
    attempts.forget(str(tmp_path), SHARD.id)
    assert _notes(tmp_path) == [f"{OTHER.id}.begun", f"{OTHER.id}.rewrite"]
    (tmp_path / "attempts" / "mine.txt").write_text("mine")
    attempts.clear(str(tmp_path))
    assert _notes(tmp_path) == ["mine.txt"]


def test_a_rewrite_is_noted_with_what_leaves(tmp_path: Path) -> None:
    attempts.begin_rewrite(str(tmp_path), SHARD.id, {"b", "ü"})
    assert attempts.begun_rewrites(str(tmp_path)) == {SHARD.id: frozenset({"b", "ü"})}
    attempts.finish_rewrite(str(tmp_path), SHARD.id)
    assert attempts.begun_rewrites(str(tmp_path)) == {}


def test_the_plan_is_noted_in_counts(tmp_path: Path) -> None:
    summary = PlanSummary(9, 2, 3, 6, ("s",) * 4, ("t",), 5)
    attempts.note_plan(str(tmp_path), summary)
    plan = json.loads((tmp_path / "attempts" / attempts.PLAN_FILE).read_bytes())
    assert plan == {
        "inputs": 9,
        "duplicates": 2,
        "skipped": 3,
        "planned": 6,
        "not_in_inputs": 5,
    }
    assert attempts.begun_shards(str(tmp_path)) == []
