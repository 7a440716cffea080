"""The commit: counts that add up, every part in its place, and only then the manifest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

import apache_beam as beam

from beam_deeplab.transforms import storage
from beam_deeplab.transforms.parquet.schemas import FAILURES, MASKS
from beam_deeplab.transforms.records import Part
from beam_deeplab.transforms.runs import attempts
from beam_deeplab.transforms.runs.inventory import Inventory, take_inventory
from beam_deeplab.transforms.runs.manifest import MANIFEST_FILE, Manifest, PartEntry, RunRecord
from beam_deeplab.transforms.runs.sharding import PlanSummary

_NAMED = 5
"""How many culprits an error names."""


class CommitError(RuntimeError):
    """The output is not what was planned; nothing was committed."""


def reconcile(plan: PlanSummary, written: Collection[Part], inventory: Inventory) -> dict[str, int]:
    """Proves that every planned image is in the output, once.

    Args:
        plan: What was to be done.
        written: The parts that the plan's shards say they wrote.
        inventory: What stands in the output.

    Returns:
        The counts that the manifest records.

    Raises:
        CommitError: Something is missing, twice, or not as it was written. The message names
            the parts, shards or images.
    """
    _check_written(written, inventory)
    _check_whole({*plan.shards, *plan.standing_shards, *inventory.shards}, inventory)
    _check_once(inventory)
    rows = Counter[str]()
    for part in written:
        rows[part.dataset] += part.rows
    _check_sum("planned", plan.planned, {"masks": rows[MASKS], "failures": rows[FAILURES]})
    _check_sum("inputs", plan.inputs, {"planned": plan.planned, "skipped": plan.skipped})
    totals = Counter[str]()
    for standing in inventory.parts():
        totals[standing.part.dataset] += standing.part.rows
    _check_sum(
        "masks and failures in the output",
        totals[MASKS] + totals[FAILURES],
        {"inputs": plan.inputs, "not_in_inputs": plan.not_in_inputs},
    )
    return {
        "inputs": plan.inputs,
        "duplicates": plan.duplicates,
        "planned": plan.planned,
        "skipped": plan.skipped,
        "masks": rows[MASKS],
        "failures": rows[FAILURES],
        "total_masks": totals[MASKS],
        "total_failures": totals[FAILURES],
        "not_in_inputs": plan.not_in_inputs,
    }


def _check_written(written: Iterable[Part], inventory: Inventory) -> None:
    standing = {item.part for item in inventory.parts()}
    changed = {part.path for part in written if part not in standing}
    _raise_for("parts missing or not as they were written", changed)


def _check_whole(shards: Iterable[str], inventory: Inventory) -> None:
    broken = {s for s in shards if s not in inventory.shards or not inventory.is_whole(s)}
    _raise_for("shards whose parts are missing, unreadable or do not add up", broken)


def _check_once(inventory: Inventory) -> None:
    rows = Counter(
        ref.uri
        for item in inventory.parts()
        if item.part.dataset in (MASKS, FAILURES)
        for ref in item.refs
    )
    _raise_for("images in more than one row", {uri for uri, count in rows.items() if count > 1})


def _check_sum(whole: str, count: int, terms: dict[str, int]) -> None:
    if count != sum(terms.values()):
        words = " + ".join(f"{value} {name}" for name, value in terms.items())
        raise CommitError(f"{count} {whole}, but {words}; resume the run to do what is missing")


def _raise_for(what: str, culprits: Collection[str]) -> None:
    if culprits:
        names = ", ".join(sorted(culprits)[:_NAMED])
        more = f" and {len(culprits) - _NAMED} more" if len(culprits) > _NAMED else ""
        raise CommitError(f"{what}: {names}{more}; resume the run to make them again")


def commit_run(
    output: str, run: RunRecord, plan: PlanSummary, written: Collection[Part]
) -> Manifest:
    """Reconciles the output with the plan and writes ``manifest.json``, last and atomically.

    Running it again writes the same manifest again, but for the time.

    Raises:
        CommitError: The output is not what was planned; there is no manifest then.
    """
    inventory = take_inventory(output)
    counts = reconcile(plan, written, inventory)
    class_pixels = Counter[str]()
    for item in inventory.parts():
        class_pixels.update(item.class_pixels)
    committed = datetime.now(UTC)
    manifest = Manifest(
        run_id=run.run_id,
        fingerprint=run.fingerprint,
        options=run.options,
        model=run.model,
        versions=run.versions,
        counts=counts,
        failures_by_code=dict(Counter(code for item in inventory.parts() for code in item.codes)),
        class_pixels=dict(class_pixels),
        parts=tuple(
            PartEntry(item.part.path, item.part.rows, item.part.size) for item in inventory.parts()
        ),
        started=run.started,
        committed=committed.isoformat(timespec="milliseconds"),
        seconds=round((committed - datetime.fromisoformat(run.started)).total_seconds(), 3),
        left_out=plan.left_out,
    )
    storage.write_atomically(storage.join(output, MANIFEST_FILE), manifest.to_json())
    attempts.clear(output)
    return manifest


@dataclass(eq=False)
class CommitRun(beam.PTransform):
    """(Parts, plan summary) -> the manifest, as the pipeline's own last step.

    Attributes:
        output: The output folder.
        run: What ``run.json`` says.
    """

    output: str
    run: RunRecord

    def expand(
        self, inputs: tuple[beam.PCollection[Part], beam.PCollection[PlanSummary]]
    ) -> beam.PCollection[Manifest]:
        """Gathers every record, which are small, in one place, and commits there."""
        return (
            inputs
            | beam.Flatten()
            | beam.WithKeys(None)
            | beam.GroupByKey()
            | "Commit" >> beam.MapTuple(self._commit)
        )

    def _commit(self, _: None, records: Iterable[Part | PlanSummary]) -> Manifest:
        gathered = set(records)
        (plan,) = (record for record in gathered if isinstance(record, PlanSummary))
        written = [record for record in gathered if isinstance(record, Part)]
        return commit_run(self.output, self.run, plan, written)
