"""Which rows stay: each image judged by itself, in whatever order its records come."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beam_deeplab.transforms.records import ImageRef
from beam_deeplab.transforms.runs.salvage import Record, Work, claim_records, decide, input_record

NOW = ImageRef("a", "2")


def _row(
    version: str,
    shard: str = "s1",
    dataset: str = "masks",
    is_result: bool = True,
    crashed: bool = False,
) -> Record:
    return ("row", "a", version, shard, dataset, is_result, crashed)


FAILED = _row("2", dataset="failures", is_result=False)


@pytest.mark.parametrize(
    ("records", "work", "leaving"),
    [
        ([input_record(NOW)], [Work(NOW)], {}),
        ([input_record(NOW), _row("2")], [], {}),
        ([input_record(NOW), _row("1")], [Work(NOW)], {"s1": {"masks": {"a"}}}),
        ([_row("1")], [], {}),
        ([_row("1", is_result=False, dataset="failures")], [], {}),
        ([input_record(NOW), FAILED], [Work(NOW)], {"s1": {"failures": {"a"}}}),
        (
            [input_record(NOW), _row("2", dataset="failures", is_result=False, crashed=True)],
            [Work(NOW, alone=True)],
            {"s1": {"failures": {"a"}}},
        ),
        ([input_record(NOW), _row("2", dataset="failures", crashed=True)], [], {}),
        # Two writers: what is right stays once, of the first shard by id, and there its mask.
        ([input_record(NOW), _row("2", "s2"), _row("2")], [], {"s2": {"masks": {"a"}}}),
        ([input_record(NOW), FAILED, _row("2")], [], {"s1": {"failures": {"a"}}}),
        ([input_record(NOW), _row("1"), _row("2", "s2")], [], {"s1": {"masks": {"a"}}}),
        ([_row("1", "s2"), _row("2")], [], {"s2": {"masks": {"a"}}}),
        ([input_record(NOW), *claim_records("s3", [NOW])], [Work(NOW, "s3")], {}),
        ([input_record(NOW), *claim_records("s3", [ImageRef("a", "1")])], [Work(NOW)], {}),
        ([*claim_records("s3", [NOW])], [], {}),
    ],
)
@given(data=st.data())
def test_what_stays_and_what_is_worked_on(
    records: list[Record],
    work: list[Work],
    leaving: dict[str, dict[str, set[str]]],
    data: st.DataObject,
) -> None:
    decision = decide(data.draw(st.permutations(records)))
    assert decision.work == work
    assert decision.leaving == leaving
    facts = decision.facts
    assert facts.inputs == facts.planned + facts.skipped == (input_record(NOW) in records)
    assert facts.planned == len(work)
    assert facts.not_in_inputs == (facts.inputs == 0 and any(r[0] == "row" for r in records))


def test_an_image_that_is_named_twice_is_one_in_its_newest_version() -> None:
    decision = decide(map(input_record, [ImageRef("a", "1"), NOW, NOW, ImageRef("b", "")]))
    assert [work.ref for work in decision.work] == [NOW, ImageRef("b", "")]
    assert (decision.facts.inputs, decision.facts.duplicates) == (2, 2)


def test_what_no_row_stands_for_may_have_been_in_a_damaged_part() -> None:
    """A failure is a row of it, too; a mask of an older version is not."""
    other = ImageRef("b", "1")
    decision = decide([input_record(NOW), _row("1"), input_record(other)])
    assert decision.facts.unaccounted == [NOW, other]
    assert decide([input_record(NOW), FAILED]).facts.unaccounted == []
