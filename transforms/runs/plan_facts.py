"""What a plan adds up to: all of it that ever meets in one place."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

import apache_beam as beam

from beam_deeplab.transforms.records import ImageRef, LeftOut
from beam_deeplab.transforms.runs.inventory import StandingShard

MOST_TO_PROVE: Final = 10_000
"""Inputs that no row accounts for, up to which a proof is tried: it takes seconds."""

NAMED: Final = 5
"""How many broken shards are named."""


@dataclass(frozen=True, slots=True, order=True)
class DamagedShard:
    """A shard with a part that cannot be read, however often.

    Attributes:
        id: Of the shard.
        known: The images of its parts that can be read.
        claimed: How many images those say that it holds; 0 where none can be read.
        fault: What is wrong with it, in words.
    """

    id: str
    known: tuple[ImageRef, ...] = field(default=(), repr=False)
    claimed: int = 0
    fault: str = ""


@dataclass(slots=True)
class PlanFacts:
    """Sums over inputs and over what stands; :meth:`merge` adds.

    Attributes:
        inputs: This and the following as in :class:`transforms.runs.sharding.PlanSummary`.
        left_out: Some times a kind, since inputs are listed by shares
            (:func:`transforms.sources.left_out.add_up`).
        unaccounted: Inputs that no row stands for, and one more than :data:`MOST_TO_PROVE` at
            most; only damaged parts ask for them.
        longest: The most images that a shard that stands holds.
        damaged: Shards with a damaged part.
        broken: How many shards do not add up.
        faults: What is wrong with the first of them, by id.
    """

    inputs: int = 0
    duplicates: int = 0
    skipped: int = 0
    planned: int = 0
    not_in_inputs: int = 0
    left_out: list[LeftOut] = field(default_factory=list)
    unaccounted: list[ImageRef] = field(default_factory=list, repr=False)
    longest: int = 0
    damaged: list[DamagedShard] = field(default_factory=list)
    broken: int = 0
    faults: dict[str, str] = field(default_factory=dict)

    def add_unaccounted(self, ref: ImageRef) -> None:
        """Takes an input that no row stands for."""
        if len(self.unaccounted) <= MOST_TO_PROVE:
            self.unaccounted.append(ref)

    def add_standing(self, shard: StandingShard) -> None:
        """Takes a shard that has left parts."""
        claimed = max(shard.claimed, default=0)
        self.longest = max(self.longest, claimed)
        if shard.is_whole:
            return
        self.broken += 1
        self.faults[shard.id] = shard.describe_fault()
        if shard.has_damaged_part:
            known = tuple(sorted(shard.known()))
            self.damaged.append(DamagedShard(shard.id, known, claimed, shard.describe_fault()))

    def merge(self, other: PlanFacts) -> None:
        """Adds other facts to these."""
        self.inputs += other.inputs
        self.duplicates += other.duplicates
        self.skipped += other.skipped
        self.planned += other.planned
        self.not_in_inputs += other.not_in_inputs
        self.left_out += other.left_out
        self.unaccounted += other.unaccounted[: MOST_TO_PROVE + 1 - len(self.unaccounted)]
        self.longest = max(self.longest, other.longest)
        self.damaged += other.damaged
        self.broken += other.broken
        self.faults = dict(sorted((self.faults | other.faults).items())[:NAMED])


class Merge(beam.CombineFn):
    """Adds up facts of one kind, each with a method ``merge``.

    Args:
        kind: Their class; without arguments it makes nothing.
    """

    def __init__(self, kind: Any) -> None:
        self._kind = kind

    def create_accumulator(self) -> Any:
        """Nothing yet."""
        return self._kind()

    def add_input(self, accumulator: Any, facts: Any) -> Any:
        """Adds some facts."""
        accumulator.merge(facts)
        return accumulator

    def merge_accumulators(self, accumulators: Iterable[Any]) -> Any:
        """Adds up sums."""
        total = self._kind()
        for accumulator in accumulators:
            total.merge(accumulator)
        return total

    def extract_output(self, accumulator: Any) -> Any:
        """The sum."""
        return accumulator
