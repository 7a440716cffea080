"""Whatever crashed, changed or went missing in between: resumed runs end with each image once."""

from __future__ import annotations

import contextlib
import errno
import os
import tempfile
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from beam_deeplab.transforms import storage
from beam_deeplab.transforms.parquet.schemas import DATASETS
from beam_deeplab.transforms.records import ImageRef, Shard, ShardSlot
from beam_deeplab.transforms.runs import attempts
from beam_deeplab.transforms.runs.inventory import take_inventory
from beam_deeplab.transforms.runs.manifest import Manifest, RunRecord
from beam_deeplab.transforms.runs.resuming import DamagedOutputError
from beam_deeplab.transforms.runs.sharding import Sharding
from beam_deeplab.transforms.runs.writing import write_shard
from tests.killed_runs import Killed, World, writes_observed
from tests.plans import plan_resume, plan_shards
from tests.rows import FACTS, RUN, shard_rows

NAMES = [f"{name}.jpg" for name in "abcdefg"]


@dataclass(frozen=True)
class Round:
    changes: list[tuple[str, Any, Any]]
    killed_at: int | None
    shard_size: int
    workers: int


KINDS = st.sampled_from(["good", "good", "good", "bad", "flaky", "fatal"])
CHANGES = st.one_of(
    st.tuples(st.just("put"), st.sampled_from(NAMES), KINDS),
    st.tuples(st.just("remove"), st.sampled_from(NAMES), st.none()),
    st.tuples(st.just("damage"), st.integers(0, 20), st.sampled_from(["delete", "truncate"])),
)
ROUNDS = st.builds(
    Round,
    changes=st.lists(CHANGES, max_size=4),
    killed_at=st.none() | st.integers(0, 50),
    shard_size=st.integers(1, 4),
    workers=st.integers(1, 3),
)


@pytest.mark.slow
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    world=st.dictionaries(st.sampled_from(NAMES), KINDS, max_size=len(NAMES)),
    rounds=st.lists(ROUNDS, min_size=1, max_size=4),
)
def test_crashed_and_changed_runs_end_with_every_image_once(
    world: Mapping[str, str], rounds: list[Round]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        images = World(Path(folder))
        for name, kind in world.items():
            images.put(name, kind)
        for each in rounds:
            for change in each.changes:
                images.apply(change)
            with contextlib.suppress(Killed):
                images.run(each.shard_size, each.workers, each.killed_at)
        _assert_settled(images, images.run_until_committed(2), exactly=False)
        _assert_settled(images, images.run_until_committed(3), exactly=True)


def _assert_settled(images: World, manifest: Manifest, *, exactly: bool) -> None:
    """Every image once, as it is now; not ``exactly``: innocent ones may be held for fatal."""
    rows = images.output.rows()
    inputs = {ref.uri: ref.version for ref in images.refs()}
    assert rows.keys() >= inputs.keys() | images.promised.keys()
    for uri, version in inputs.items():
        dataset, row_version, mask = rows[uri]
        assert row_version == version
        assert not mask or mask == Path(uri).read_bytes()
        kind = images.kinds()[uri]
        assert (dataset == "masks") or kind != "good" or not exactly
        assert (dataset == "failures") or kind in ("good", "flaky")
    datasets = Counter(dataset for dataset, _, _ in rows.values())
    assert manifest.counts["inputs"] == len(inputs)
    assert manifest.counts["duplicates"] == min(2, len(inputs))
    assert manifest.counts["not_in_inputs"] == len(rows.keys() - inputs.keys())
    assert manifest.counts["total_masks"] == datasets["masks"]
    assert manifest.counts["total_failures"] == datasets["failures"]
    assert [path.name for path in images.output.folder.glob("attempts/*")] == []


def _write(
    output: Path, refs: list[ImageRef], failed: tuple[str, ...] = (), size: int = 3
) -> tuple[Shard, ...]:
    shards = plan_shards(refs, (), "print", Sharding(size)).shards
    for shard in shards:
        list(write_shard(str(output), shard.id, shard_rows(shard, failed), FACTS))
    return shards


def _refs(names: str, version: str = "1") -> list[ImageRef]:
    return [ImageRef(name, version) for name in names]


def _contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != attempts.PLAN_FILE
    }


@settings(max_examples=15, deadline=None)
@given(data=st.data(), size=st.integers(1, 4))
def test_planning_can_be_repeated_even_when_new_shards_stand(
    data: st.DataObject, size: int
) -> None:
    """As when a runner runs each step again, and nobody told the first one to stop."""
    uris = "abcdefgh"
    failed = data.draw(st.sets(st.sampled_from(uris)))
    changed = data.draw(st.sets(st.sampled_from(uris)))
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder)
        _write(output, _refs(uris), tuple(failed), size)
        for path in sorted(output.rglob("*.parquet")):
            if data.draw(st.integers(0, 9)) == 0:
                path.unlink()
        refs = [ImageRef(uri, "2" if uri in changed else "1") for uri in uris[1:]]
        plan, _ = plan_resume(folder, refs, RUN, Sharding(size), redo=lambda _: True)
        once = _contents(output)
        assert plan_resume(folder, refs, RUN, Sharding(size), seed=1)[0] == plan
        assert _contents(output) == once
        for shard in plan.shards:
            list(write_shard(folder, shard.id, shard_rows(shard), FACTS))
        written = _contents(output)
        assert plan_resume(folder, refs, RUN, Sharding(size))[0].shards == ()
        assert _contents(output) == written
        rows = Counter(
            ref.uri
            for shard in take_inventory(folder).values()
            for dataset in DATASETS
            for ref in shard.refs(dataset)
        )
        assert set(rows) >= {ref.uri for ref in refs}
        assert set(rows.values()) == {1}


def _notes(output: Path) -> list[str]:
    """What is noted beside the plan."""
    return [path.name for path in output.glob("attempts/*") if path.name != attempts.PLAN_FILE]


def test_a_rewrite_that_died_half_way_is_ended_and_costs_nothing(tmp_path: Path) -> None:
    """The inputs no longer name two of the three images: nobody could make their masks again."""
    _write(tmp_path, _refs("abc"))
    changed = _refs("a", version="2")
    for write in range(1, 4):
        with writes_observed(lambda: None, killed_at=write), pytest.raises(Killed):
            plan_resume(str(tmp_path), changed, RUN, Sharding())
    plan, summary = plan_resume(str(tmp_path), changed, RUN, Sharding())
    assert [shard.refs for shard in plan.shards] == [(changed[0],)]
    assert summary.not_in_inputs == 2
    (standing,) = take_inventory(str(tmp_path)).values()
    assert [ref.uri for ref in standing.refs("masks")] == ["b", "c"]
    assert _notes(tmp_path) == []


def test_an_image_that_stands_twice_stays_once(tmp_path: Path) -> None:
    """Two runs wrote to the same output at once, in shards of different sizes."""
    _write(tmp_path, _refs("abcd"), size=2)
    _write(tmp_path, _refs("abcd"), size=3)
    plan, summary = plan_resume(str(tmp_path), _refs("abcd"), RUN, Sharding())
    assert (plan.shards, summary.skipped, summary.not_in_inputs) == ((), 4, 0)
    inventory = take_inventory(str(tmp_path))
    assert all(shard.is_whole for shard in inventory.values())
    rows = [ref.uri for shard in inventory.values() for ref in shard.refs("masks")]
    assert sorted(rows) == list("abcd")


def test_failures_are_tried_again_and_their_neighbours_are_not(tmp_path: Path) -> None:
    _write(tmp_path, _refs("abc"), failed=("b",))
    plan, _ = plan_resume(str(tmp_path), _refs("abc"), RUN, Sharding())
    assert [ref.uri for shard in plan.shards for ref in shard.refs] == ["b"]
    assert list(tmp_path.glob("failures/*")) == []


def test_a_shard_that_was_begun_is_planned_as_it_was(tmp_path: Path) -> None:
    """Else what is noted about its images would be lost with its name."""
    shards = plan_shards(_refs("abcdef"), (), "print", Sharding(3)).shards
    attempts.begin(str(tmp_path), shards[0])
    plan, _ = plan_resume(str(tmp_path), _refs("abcdef"), RUN, Sharding(2))
    assert plan.shards[0] == shards[0]
    assert [len(shard.refs) for shard in plan.shards] == [3, 1, 2]


def test_notes_of_a_shard_that_cannot_come_back_are_removed(tmp_path: Path) -> None:
    (shard,) = plan_shards(_refs("abc"), (), "print", Sharding(3)).shards
    attempts.begin(str(tmp_path), shard)
    with (
        writes_observed(lambda: None) as kill,
        pytest.raises(Killed),
        attempts.in_hand(str(tmp_path), ShardSlot(shard.id, 1, 3)),
    ):
        kill()
    assert len(list(tmp_path.glob("attempts/*"))) == 2
    plan_resume(str(tmp_path), _refs("ab"), RUN, Sharding(3))
    assert _notes(tmp_path) == []


def _damage(output: Path, shard: Shard, dataset: str = "masks") -> None:
    path = output / dataset / f"part-{shard.id}.parquet"
    path.write_bytes(path.read_bytes()[:-9])


@pytest.mark.parametrize("size", [1, 2, 3, 6])
def test_a_damaged_part_is_done_again_where_its_name_proves_what_it_held(
    tmp_path: Path, size: int
) -> None:
    shards = _write(tmp_path, _refs("abcdef"), failed=("b",), size=size)
    for shard in shards[: len(shards) // 2 + 1]:
        if (tmp_path / "masks" / f"part-{shard.id}.parquet").exists():
            _damage(tmp_path, shard)
    plan, summary = plan_resume(str(tmp_path), _refs("abcdef"), RUN, Sharding(size))
    assert summary.discarded_parts == 0
    assert {ref.uri for shard in plan.shards for ref in shard.refs} >= {"a", "b"}


def test_a_damaged_part_that_may_hold_other_images_is_given_up_only_when_asked(
    tmp_path: Path,
) -> None:
    """Image a is no input any more: its mask may be the only one that there is."""
    shards = _write(tmp_path, _refs("abcdef"), size=3)
    _damage(tmp_path, shards[0])
    before = _contents(tmp_path)
    with pytest.raises(DamagedOutputError, match=rf"part-{shards[0].id}.*--discard_damaged"):
        plan_resume(str(tmp_path), _refs("bcdef"), RUN, Sharding(3))
    assert _contents(tmp_path) == before
    plan, summary = plan_resume(
        str(tmp_path), _refs("bcdef"), RUN, Sharding(3), discard_damaged=True
    )
    assert summary.discarded_parts == 1
    assert [ref.uri for shard in plan.shards for ref in shard.refs] == ["b", "c"]


def test_masks_stay_where_the_failures_beside_them_are_damaged(tmp_path: Path) -> None:
    (shard,) = _write(tmp_path, _refs("abc"), failed=("b",))
    _damage(tmp_path, shard, "failures")
    plan, summary = plan_resume(str(tmp_path), _refs("abc"), RUN, Sharding())
    assert [ref.uri for shard in plan.shards for ref in shard.refs] == ["b"]
    assert summary.skipped == 2
    assert summary.discarded_parts == 0


@pytest.mark.parametrize("committed", [False, True])
@pytest.mark.parametrize("number", [errno.EACCES, errno.EIO, errno.EMFILE])
def test_a_part_that_cannot_be_read_now_stops_the_resume_and_nothing_changes(
    tmp_path: Path, number: int, committed: bool
) -> None:
    shards = _write(tmp_path, _refs("abcdef"), size=2)
    if committed:
        (tmp_path / "manifest.json").write_bytes(b"the manifest")
    before = _contents(tmp_path)
    open_seekable = storage.open_seekable

    def failing(uri: str) -> BinaryIO:
        if shards[1].id in uri:
            raise OSError(number, os.strerror(number), uri)
        return open_seekable(uri)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(storage, "open_seekable", failing)
        with pytest.raises(OSError, match=os.strerror(number)):
            plan_resume(str(tmp_path), _refs("abc", version="2"), RUN, Sharding())
    assert _contents(tmp_path) == before


def test_a_resume_says_in_the_output_what_writes_from_now_on(tmp_path: Path) -> None:
    _write(tmp_path, _refs("ab"))
    later = replace(RUN, versions={"beam-deeplab": "1"})
    plan_resume(str(tmp_path), _refs("abc"), later, Sharding())
    assert RunRecord.from_json((tmp_path / "run.json").read_bytes()) == later
