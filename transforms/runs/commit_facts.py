"""What a commit adds up to, and whether that is what was planned: all that meets in one place."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from beam_deeplab.transforms.parquet.schemas import DATASETS, FAILURES, MASKS, RENDERS, RESULTS
from beam_deeplab.transforms.records import UNCHANGED, Part
from beam_deeplab.transforms.runs.inventory import StandingPart, StandingShard
from beam_deeplab.transforms.runs.sharding import PlanSummary

_NAMED = 5
"""How many culprits an error names."""

LITTLE_LEFT: Final = 64
"""Pixels of a picture's shorter side below which the network, which answers every 8 or 16 pixels,
sees hardly anything of it."""

CHANGED: Final = "parts missing or not as they were written"
BROKEN: Final = "shards whose parts do not add up"
TWICE: Final = "images in more than one row"
_FAULTS: Final = (CHANGED, BROKEN, TWICE)
"""In the order in which they are told."""


class CommitError(RuntimeError):
    """The output is not what was planned; nothing was committed."""


@dataclass(slots=True)
class CommitFacts:
    """Sums over a whole output; :meth:`merge` adds.

    Attributes:
        plans: The plan's summary, once.
        written: Rows that the plan's shards say they wrote, by dataset.
        standing: Rows that stand, by dataset.
        codes: Failures by code.
        pixels: By class id.
        ignored: Pixels that are none, since the network was too unsure.
        barely_seen: Pictures of which the reduction has left little (:data:`LITTLE_LEFT`).
        truncated: Pictures of which only a part was there.
        unchanged: Renders on which there was nothing to do.
        writers: Parts by what they say of who wrote them, as JSON.
        parts: How many there are.
        part_bytes: Their bytes.
        table_bytes: About how many bytes each table takes, by name.
        culprits: How many there are of each fault.
        named: The first of them.
    """

    plans: list[PlanSummary] = field(default_factory=list)
    written: Counter[str] = field(default_factory=Counter)
    standing: Counter[str] = field(default_factory=Counter)
    codes: Counter[str] = field(default_factory=Counter)
    pixels: Counter[int] = field(default_factory=Counter)
    ignored: int = 0
    barely_seen: int = 0
    truncated: int = 0
    unchanged: int = 0
    writers: Counter[str] = field(default_factory=Counter)
    parts: int = 0
    part_bytes: int = 0
    table_bytes: Counter[str] = field(default_factory=Counter)
    culprits: Counter[str] = field(default_factory=Counter)
    named: dict[str, list[str]] = field(default_factory=dict)

    def merge(self, other: CommitFacts) -> None:
        """Adds other facts to these."""
        for each in fields(self):
            if each.name != "named":
                setattr(self, each.name, getattr(self, each.name) + getattr(other, each.name))
        for fault, names in other.named.items():
            self._name(fault, names)

    def blame(self, fault: str, culprits: Iterable[str]) -> None:
        """Takes what is not as it should be."""
        names = list(culprits)
        self.culprits[fault] += len(names)
        self._name(fault, names)

    def _name(self, fault: str, names: Iterable[str]) -> None:
        if named := sorted([*self.named.get(fault, ()), *names])[:_NAMED]:
            self.named[fault] = named

    def add_shard(self, shard: StandingShard, written: Iterable[Part]) -> None:
        """Takes a shard as it stands, and the parts that it says it wrote: none for old work."""
        expected = set(written)
        found = {item.part for item in shard.parts.values()}
        self.blame(CHANGED, {part.path for part in expected - found})
        for part in expected:
            self.written[part.dataset] += part.rows
        if shard.parts and not shard.is_whole:
            self.blame(BROKEN, [shard.describe_fault()])
        for standing in shard.parts.values():
            self._add_part(standing)
        for dataset in RESULTS:
            if dataset in shard.parts:
                self._add_results(shard.rows(dataset))
        if MASKS in shard.parts:
            self._add_areas(shard.rows(MASKS))
        if RENDERS in shard.parts:
            effects = shard.rows(RENDERS).column("effect")
            self.unchanged += pc.sum(pc.equal(effects, UNCHANGED)).as_py() or 0

    def _add_part(self, standing: StandingPart) -> None:
        self.parts += 1
        self.part_bytes += standing.part.size
        self.standing[standing.part.dataset] += standing.part.rows
        self.codes.update(standing.codes)
        model = standing.writer.get("model") or {}
        writer = {
            "model": {key: model.get(key) for key in ("reference", "digest")},
            "versions": standing.writer.get("versions"),
        }
        if "cpu" in standing.writer:
            writer["cpu"] = standing.writer["cpu"]
        self.writers[json.dumps(writer, sort_keys=True)] += 1

    def _add_areas(self, masks: pa.Table) -> None:
        areas = pc.list_flatten(masks.column("areas")).combine_chunks()
        columns = {name: pc.struct_field(areas, name) for name in ("class_id", "pixels")}
        sums = pa.table(columns).group_by("class_id").aggregate([("pixels", "sum")])
        self.pixels.update(dict(zip(*(column.to_pylist() for column in sums.columns), strict=True)))
        width, height = (pc.cast(masks.column(side), pa.int64()) for side in ("width", "height"))
        labelled = pc.sum(columns["pixels"]).as_py() or 0
        self.ignored += (pc.sum(pc.multiply(width, height)).as_py() or 0) - labelled

    def _add_results(self, rows: pa.Table) -> None:
        short_side = pc.min_element_wise(rows.column("width"), rows.column("height"))
        left = pc.multiply(short_side, rows.column("scale"))
        little = pc.and_(pc.less(left, LITTLE_LEFT), pc.greater_equal(short_side, LITTLE_LEFT))
        self.barely_seen += pc.sum(little).as_py() or 0
        self.truncated += pc.sum(rows.column("truncated")).as_py() or 0


def reconcile(facts: CommitFacts, results: str = MASKS) -> tuple[PlanSummary, dict[str, int]]:
    """Proves that every planned image is in the output, once.

    Args:
        facts: The sums.
        results: What the run makes of images, besides failures.

    Returns:
        The plan, and the counts that the manifest records.

    Raises:
        CommitError: Something is missing, twice, or not as it was written. The message names
            the parts, shards or images.
    """
    for fault in _FAULTS:
        _raise_for(fault, facts)
    (plan,) = facts.plans
    rows, totals = facts.written, facts.standing
    _check_sum("planned", plan.planned, {results: rows[results], FAILURES: rows[FAILURES]})
    _check_sum("inputs", plan.inputs, {"planned": plan.planned, "skipped": plan.skipped})
    _check_sum(
        f"{results} and failures in the output",
        sum(totals[dataset] for dataset in DATASETS),
        {"inputs": plan.inputs, "not_in_inputs": plan.not_in_inputs},
    )
    return plan, {
        "inputs": plan.inputs,
        "duplicates": plan.duplicates,
        "planned": plan.planned,
        "skipped": plan.skipped,
        results: rows[results],
        "failures": rows[FAILURES],
        f"total_{results}": totals[results],
        "total_failures": totals[FAILURES],
        "not_in_inputs": plan.not_in_inputs,
        "discarded_parts": plan.discarded_parts,
        "barely_seen": facts.barely_seen,
        "truncated": facts.truncated,
        **(
            {"unchanged": facts.unchanged}
            if results == RENDERS
            else {"ignored_pixels": facts.ignored}
        ),
    }


def _check_sum(whole: str, count: int, terms: dict[str, int]) -> None:
    if count != sum(terms.values()):
        words = " + ".join(f"{value} {name}" for name, value in terms.items())
        raise CommitError(f"{count} {whole}, but {words}; resume the run to do what is missing")


def _raise_for(fault: str, facts: CommitFacts) -> None:
    if count := facts.culprits[fault]:
        names = ", ".join(facts.named[fault])
        more = f" and {count - _NAMED} more" if count > _NAMED else ""
        raise CommitError(f"{fault}: {names}{more}; resume the run to make them again")
