"""What a commit adds up: the same whatever the order, and with a few names however many faults."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beam_deeplab.transforms.runs.commit_facts import (
    CHANGED,
    TWICE,
    CommitError,
    CommitFacts,
    reconcile,
)
from beam_deeplab.transforms.runs.plan_facts import Merge
from beam_deeplab.transforms.runs.sharding import PlanSummary


def _blamed(fault: str, names: list[str]) -> CommitFacts:
    facts = CommitFacts()
    facts.blame(fault, names)
    return facts


@given(st.lists(st.lists(st.sampled_from("abcdefgh"), unique=True), max_size=6), st.data())
def test_sums_do_not_depend_on_order(names: list[list[str]], data: st.DataObject) -> None:
    merge = Merge(CommitFacts)
    facts = [_blamed(TWICE, some) for some in names]
    total = merge.create_accumulator()
    for each in facts:
        total = merge.add_input(total, each)
    other = merge.merge_accumulators(data.draw(st.permutations(facts)))
    assert merge.extract_output(total) == other
    assert other.culprits[TWICE] == sum(map(len, names))
    assert len(other.named.get(TWICE, [])) <= 5


def test_a_fault_names_its_first_culprits_and_says_how_many_there_are() -> None:
    facts = _blamed(TWICE, [f"{number}.jpg" for number in range(9)])
    facts.plans.append(PlanSummary(0, 0, 0, 0))
    with pytest.raises(CommitError, match=r"row: 0.jpg, .*, 4.jpg and 4 more; resume"):
        reconcile(facts)
    facts.blame(CHANGED, ["masks/part-1.parquet"])
    with pytest.raises(CommitError, match="not as they were written: masks/part-1"):
        reconcile(facts)


def test_every_image_that_was_planned_must_have_been_written() -> None:
    plan = PlanSummary(inputs=5, duplicates=1, skipped=2, planned=3, not_in_inputs=4)
    facts = CommitFacts(plans=[plan])
    facts.written.update(masks=2, failures=1)
    facts.standing.update(masks=8, failures=1)
    assert reconcile(facts)[1]["total_masks"] == 8
    for wrong in (
        replace(plan, planned=4),
        replace(plan, skipped=1),
        replace(plan, not_in_inputs=3),
    ):
        with pytest.raises(CommitError, match="resume the run to do what is missing"):
            reconcile(replace(facts, plans=[wrong]))
