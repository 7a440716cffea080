"""What of earlier work under the same fingerprint stays; a decision that touches nothing.

An image's row stays if it is still right: a mask of the version that the inputs name now, or any
row of an image that they no longer name. Rows of changed images, and failures that are to be tried
again, leave. Of a shard whose parts do not add up, all rows that can be read stay likewise.

Each image is judged by itself, from all that is known of it: what the inputs name, which rows
stand, which begun shard holds it. These records are tuples of texts and numbers, which cross a
shuffle at a tenth of what objects cost, and meet by bucket.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from beam_deeplab.transforms.parquet.schemas import DATASETS, FAILURES
from beam_deeplab.transforms.records import FailureCode, ImageRef
from beam_deeplab.transforms.runs.inventory import StandingShard
from beam_deeplab.transforms.runs.plan_facts import PlanFacts

INPUT: Final = "input"
ROW: Final = "row"
CLAIM: Final = "claim"

Record = tuple[Any, ...]
"""What is known of an image: its kind, its URI and version, and what the kind has further."""

Leaving = Mapping[str, frozenset[str]]
"""URIs whose rows leave a shard, by dataset."""


def input_record(ref: ImageRef) -> Record:
    """An image as the inputs name it; with its size."""
    return (INPUT, ref.uri, ref.version, ref.size)


def row_records(shard: StandingShard, *, has_fatal: bool) -> Iterator[Record]:
    """The rows that stand; each with its shard, dataset, and what its failure is, if it is one.

    If an image of the shard has killed processes since the last commit (``has_fatal``), failures of
    the code CRASHED are results of the run that is resumed, and stay.
    """
    for dataset, standing in shard.parts.items():
        codes = standing.codes or ("",) * len(standing.refs)
        for ref, code in zip(standing.refs, codes, strict=True):
            crashed = code == FailureCode.CRASHED
            is_result = dataset != FAILURES or (crashed and has_fatal)
            yield (ROW, ref.uri, ref.version, shard.id, dataset, is_result, crashed)


def claim_records(shard: str, refs: Iterable[ImageRef]) -> Iterator[Record]:
    """The images of a begun shard; each with the shard."""
    return ((CLAIM, ref.uri, ref.version, shard) for ref in refs)


@dataclass(frozen=True, slots=True)
class Work:
    """An image that is worked on, and whether it has killed a process, so that it is tried alone.

    ``claimed`` is the begun shard that it belongs to; empty for none.
    """

    ref: ImageRef
    claimed: str = ""
    alone: bool = False


@dataclass(slots=True)
class Decision:
    """What becomes of the images of a bucket: work, rows that leave (by shard, dataset), counts."""

    work: list[Work] = field(default_factory=list)
    leaving: dict[str, dict[str, set[str]]] = field(default_factory=dict)
    facts: PlanFacts = field(default_factory=PlanFacts)


def decide(records: Iterable[Record]) -> Decision:
    """Judges the images of a bucket, each by itself, from all that is known of them.

    An image that stands twice (two runs wrote at once) stays in one row: of those that are right
    in that of the first shard by id, and there in its mask.
    """
    inputs: dict[str, ImageRef] = {}
    listed = 0
    rows: dict[str, list[Record]] = {}
    claims: dict[tuple[str, str], str] = {}
    for record in records:
        kind, uri, version = record[:3]
        if kind == INPUT:
            listed += 1
            ref = ImageRef(uri, version, size=record[3])
            # Two versions of one URI (it changed while it was listed twice) are one image.
            if uri not in inputs or inputs[uri] < ref:
                inputs[uri] = ref
        elif kind == ROW:
            rows.setdefault(uri, []).append(record)
        else:
            claims[uri, version] = min(claims.get((uri, version), record[3]), record[3])
    decision = Decision()
    facts = decision.facts
    facts.inputs, facts.duplicates = len(inputs), listed - len(inputs)
    for uri in sorted({*inputs, *rows}):
        now = inputs.get(uri)
        kept, crashed = _judge(rows.get(uri, ()), now, decision)
        if now is None:
            facts.not_in_inputs += kept
            continue
        if all(row[2] != now.version for row in rows.get(uri, ())):
            facts.add_unaccounted(now)
        if kept:
            facts.skipped += 1
        else:
            facts.planned += 1
            claimed = claims.get((uri, now.version), "")
            decision.work.append(Work(now, claimed, crashed))
    return decision


def _judge(rows: Sequence[Record], now: ImageRef | None, decision: Decision) -> tuple[bool, bool]:
    """Whether a row of an image stays, and whether one that leaves says that it crashed."""
    kept = crashed = False
    for _, uri, version, shard, dataset, is_result, has_crashed in sorted(rows, key=_precedence):
        if not kept and (now is None or (is_result and version == now.version)):
            kept = True
        else:
            decision.leaving.setdefault(shard, {}).setdefault(dataset, set()).add(uri)
            crashed |= has_crashed
    return kept, crashed


def _precedence(row: Record) -> tuple[str, int]:
    return row[3], -DATASETS.index(row[4])
