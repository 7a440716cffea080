"""What damaged parts held is proved by their shards' names, or they are not given up."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beam_deeplab.transforms.records import ImageRef, Shard
from beam_deeplab.transforms.runs import plan_facts
from beam_deeplab.transforms.runs.plan_facts import DamagedShard
from beam_deeplab.transforms.runs.proof import may_hold_others
from beam_deeplab.transforms.runs.sharding import Sharding, group_count
from tests.plans import plan_shards

SIZE = 5


def _shards(images: int, size: int = SIZE) -> tuple[Shard, ...]:
    refs = [ImageRef(f"gs://b/{number:05}.jpg", "1") for number in range(images)]
    return plan_shards(refs, (), "print", Sharding(size)).shards


def _damaged(shard: Shard, known: int = 0) -> DamagedShard:
    return DamagedShard(shard.id, shard.refs[:known], len(shard.refs) if known else 0)


def _unproven(
    damaged: list[DamagedShard], unaccounted: list[ImageRef], fingerprint: str = "print"
) -> list[str]:
    return [shard.id for shard in may_hold_others(damaged, unaccounted, SIZE, fingerprint)]


@given(
    images=st.integers(2, 400),
    lost=st.lists(st.tuples(st.integers(0), st.integers(0, SIZE - 1)), min_size=1, max_size=4),
)
def test_what_was_lost_is_proved_whatever_the_number_of_groups(
    images: int, lost: list[tuple[int, int]]
) -> None:
    """Of several shards at once, each with a part that can be read or without."""
    shards = _shards(images)
    chosen = {shards[number % len(shards)]: known for number, known in lost}
    damaged = [_damaged(shard, min(known, len(shard.refs) - 1)) for shard, known in chosen.items()]
    unaccounted = [
        ref
        for shard, each in zip(chosen, damaged, strict=True)
        for ref in shard.refs[len(each.known) :]
    ]
    assert _unproven(damaged, unaccounted) == []


def test_new_images_beside_the_lost_ones_do_not_spoil_the_proof() -> None:
    """Unless they lie between them in their own group, as few of them do."""
    shards = _shards(1000)
    assert group_count(1000, SIZE) == 32
    new = [ImageRef(f"gs://b/later-{number}.jpg", "1") for number in range(50)]
    assert _unproven([_damaged(shards[17])], [*shards[17].refs, *new]) == []


def test_without_one_of_the_images_or_under_other_options_there_is_no_proof() -> None:
    shard, other = _shards(1000)[7:9]
    assert _unproven([_damaged(shard)], list(shard.refs[1:])) == [shard.id]
    assert _unproven([_damaged(shard)], list(other.refs)) == [shard.id]
    assert _unproven([_damaged(shard)], list(shard.refs), "other options") == [shard.id]
    assert _unproven([_damaged(shard)], []) == [shard.id]


def test_no_proof_is_tried_over_too_many_images(monkeypatch: pytest.MonkeyPatch) -> None:
    shard, other = _shards(10)[:2]
    monkeypatch.setattr("beam_deeplab.transforms.runs.proof.MOST_TO_PROVE", 9)
    assert plan_facts.MOST_TO_PROVE > 9
    assert _unproven([_damaged(shard)], [*shard.refs, *other.refs]) == [shard.id]
