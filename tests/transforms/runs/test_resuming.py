"""Whatever crashed, changed or went missing in between: resumed runs end with each image once."""

from __future__ import annotations

import contextlib
import tempfile
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from beam_deeplab.transforms.records import ImageRef, Shard
from beam_deeplab.transforms.runs import attempts
from beam_deeplab.transforms.runs.inventory import take_inventory
from beam_deeplab.transforms.runs.manifest import Manifest
from beam_deeplab.transforms.runs.resuming import clear_rest, plan_resume, plan_salvage
from beam_deeplab.transforms.runs.sharding import newest_versions, plan_shards
from beam_deeplab.transforms.runs.writing import write_shard
from tests.killed_runs import Killed, World, writes_observed
from tests.rows import shard_rows

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
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
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
    shards = plan_shards(refs, (), "print", shard_size=size).shards
    for shard in shards:
        list(write_shard(str(output), shard.id, shard_rows(shard, failed), {}))
    return shards


def _refs(names: str, version: str = "1") -> list[ImageRef]:
    return [ImageRef(name, version) for name in names]


def _contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


@settings(max_examples=25, deadline=None)
@given(data=st.data(), size=st.integers(1, 4))
def test_clearing_can_be_repeated_even_when_new_shards_stand(
    data: st.DataObject, size: int
) -> None:
    """As when a runner runs the planning step again, and nobody told the first one to stop."""
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
        inventory = take_inventory(folder)
        salvage = plan_salvage(inventory, newest_versions(refs))
        plan = plan_shards(refs, salvage.finished, "print", shard_size=size)
        replanned = [shard.id for shard in plan.shards]
        clear_rest(folder, inventory, salvage, replanned)
        once = _contents(output)
        clear_rest(folder, inventory, salvage, replanned)
        assert _contents(output) == once
        for shard in plan.shards:
            list(write_shard(folder, shard.id, shard_rows(shard), {}))
        written = _contents(output)
        clear_rest(folder, inventory, salvage, replanned)
        assert _contents(output) == written
        rows = Counter(
            ref.uri
            for standing in take_inventory(folder).parts()
            if standing.part.dataset != "class_areas"
            for ref in standing.refs
        )
        assert set(rows) >= {ref.uri for ref in refs}
        assert set(rows.values()) == {1}


def test_a_rewrite_that_died_half_way_is_ended_and_costs_nothing(tmp_path: Path) -> None:
    """The inputs no longer name two of the three images: nobody could make their masks again."""
    _write(tmp_path, _refs("abc"))
    changed = _refs("a", version="2")
    for write in range(1, 4):
        with writes_observed(lambda: None, killed_at=write), pytest.raises(Killed):
            plan_resume(str(tmp_path), changed, "print")
    plan, summary = plan_resume(str(tmp_path), changed, "print")
    assert [shard.refs for shard in plan.shards] == [(changed[0],)]
    assert summary.not_in_inputs == 2
    (standing,) = take_inventory(str(tmp_path)).shards.values()
    assert [ref.uri for ref in standing["masks"].refs] == ["b", "c"]
    assert list(tmp_path.glob("attempts/*")) == []


def test_an_image_that_stands_twice_stays_once(tmp_path: Path) -> None:
    """Two runs wrote to the same output at once, in shards of different sizes."""
    _write(tmp_path, _refs("abcd"), size=2)
    _write(tmp_path, _refs("abcd"), size=3)
    plan, summary = plan_resume(str(tmp_path), _refs("abcd"), "print")
    assert (plan.shards, plan.skipped, summary.not_in_inputs) == ((), 4, 0)
    inventory = take_inventory(str(tmp_path))
    assert all(map(inventory.is_whole, inventory.shards))
    rows = [ref.uri for parts in inventory.shards.values() for ref in parts["masks"].refs]
    assert sorted(rows) == list("abcd")


def test_failures_are_tried_again_and_their_neighbours_are_not(tmp_path: Path) -> None:
    _write(tmp_path, _refs("abc"), failed=("b",))
    plan, _ = plan_resume(str(tmp_path), _refs("abc"), "print")
    assert [ref.uri for shard in plan.shards for ref in shard.refs] == ["b"]
    assert list(tmp_path.glob("failures/*")) == []


def test_a_shard_that_was_begun_is_planned_as_it_was(tmp_path: Path) -> None:
    """Else what is noted about its images would be lost with its name."""
    shards = plan_shards(_refs("abcdef"), (), "print", shard_size=3).shards
    attempts.begin(str(tmp_path), shards[0])
    plan, _ = plan_resume(str(tmp_path), _refs("abcdef"), "print", shard_size=2)
    assert plan.shards[0] == shards[0]
    assert [len(shard.refs) for shard in plan.shards] == [3, 2, 1]


def test_notes_of_a_shard_that_cannot_come_back_are_removed(tmp_path: Path) -> None:
    (shard,) = plan_shards(_refs("abc"), (), "print", shard_size=3).shards
    attempts.begin(str(tmp_path), shard)
    with (
        writes_observed(lambda: None) as kill,
        pytest.raises(Killed),
        attempts.in_hand(str(tmp_path), shard.id, 1),
    ):
        kill()
    assert len(list(tmp_path.glob("attempts/*"))) == 2
    plan_resume(str(tmp_path), _refs("ab"), "print", shard_size=3)
    assert list(tmp_path.glob("attempts/*")) == []
