"""Plans: every image once, whatever the order, and names that follow content."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beam_deeplab.transforms.records import ImageRef
from beam_deeplab.transforms.runs.sharding import (
    BUCKETS,
    SHARDS_PER_GROUP,
    Sharding,
    bucket_of,
    cut_shards,
    group_count,
    shard_id,
    slots_of,
    uri_hash,
)
from tests.plans import plan_shards

refs_strategy = st.lists(
    st.builds(ImageRef, st.text("abc/é", min_size=1, max_size=6), st.sampled_from(["", "1", "2"])),
    max_size=60,
)


@given(refs=refs_strategy, size=st.integers(1, 9), finished_share=st.floats(0, 1))
def test_every_unfinished_image_is_in_exactly_one_shard(
    refs: list[ImageRef], size: int, finished_share: float
) -> None:
    distinct = {ref.uri: max(r.version for r in refs if r.uri == ref.uri) for ref in refs}
    current = sorted(ImageRef(uri, version) for uri, version in distinct.items())
    finished = set(current[: int(finished_share * len(current))])
    plan = plan_shards(refs, finished, "print", Sharding(size))
    planned = [ref for shard in plan.shards for ref in shard.refs]
    assert sorted(planned) == [ref for ref in current if ref not in finished]
    assert all(1 <= len(shard.refs) <= size for shard in plan.shards)
    summary = plan.summary()
    assert summary.inputs == len(distinct) == summary.planned + summary.skipped
    assert summary.duplicates == len(refs) - len(distinct)
    assert len({shard.id for shard in plan.shards}) == len(plan.shards)


@given(refs=refs_strategy, seed=st.integers())
def test_the_order_of_listing_changes_nothing(refs: list[ImageRef], seed: int) -> None:
    shuffled = random.Random(seed).sample(refs, len(refs))
    assert plan_shards(refs, (), "print", Sharding()) == plan_shards(
        shuffled, (), "print", Sharding()
    )


def test_groups_and_shards_are_of_even_size() -> None:
    """Of names that differ in a counter only, too: they are what most collections have."""
    images = 100_000
    groups = group_count(images, 512)
    assert images / groups <= SHARDS_PER_GROUP * 512
    refs = [ImageRef(f"gs://bucket/photos/IMG_{number:07}.jpg") for number in range(images)]
    sizes = Counter(uri_hash(ref.uri) % groups for ref in refs)
    assert len(sizes) == groups
    assert max(sizes.values()) < 1.05 * images / groups
    shards = plan_shards(refs, (), "print", Sharding(512)).shards
    assert min(len(shard.refs) for shard in shards) > 400
    of_buckets = Counter(bucket_of(ref.uri) for ref in refs)
    assert len(of_buckets) == BUCKETS
    assert max(of_buckets.values()) < 3 * images / BUCKETS


def test_an_image_that_has_killed_a_process_is_alone() -> None:
    refs = [ImageRef(name) for name in "abcde"]
    shards = cut_shards("print", reversed(refs), 2, alone={"c"})
    assert [[ref.uri for ref in shard.refs] for shard in shards] == [["c"], ["a", "b"], ["d", "e"]]


def test_a_shard_is_named_after_fingerprint_images_and_versions() -> None:
    base = [ImageRef("a", "1"), ImageRef("b", "1")]
    names = {
        shard_id("print", base),
        shard_id("other", base),
        shard_id("print", [ImageRef("a", "1"), ImageRef("b", "2")]),
        shard_id("print", [*base, ImageRef("c", "1")]),
        shard_id("print", [ImageRef('a", "1"], ["b', "1")]),
    }
    assert len(names) == 5
    assert all(len(name) == 16 and int(name, 16) >= 0 for name in names)
    assert shard_id("print", reversed(base)) == shard_id("print", base)


@pytest.mark.parametrize(
    ("images", "sharding", "size"),
    [
        (0, Sharding(), 1),
        (1, Sharding(workers=4), 1),
        (10_000, Sharding(most=16), 16),
        (10_000, Sharding(100, most=16), 100),
        (22, Sharding(), 3),
        (300, Sharding(workers=2), 19),
        (4000, Sharding(), 500),
        (10**6, Sharding(workers=2), 512),
        (10**6, Sharding(batch_size=1), 64),
        (10**6, Sharding(7), 7),
    ],
)
def test_shards_are_large_but_leave_no_worker_idle_and_cost_few_batches(
    images: int, sharding: Sharding, size: int
) -> None:
    assert sharding.size_for(images) == size


def test_slots_number_a_shard_s_images() -> None:
    (shard,) = cut_shards("print", [ImageRef("b"), ImageRef("a")], 2)
    assert [(ref.uri, slot.index, slot.length) for ref, slot in slots_of(shard)] == [
        ("a", 0, 2),
        ("b", 1, 2),
    ]
