"""The commit: counts that add up, every part in its place, tables, and only then the manifest."""

from __future__ import annotations

import io
import json
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

import apache_beam as beam
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from beam_deeplab.transforms import storage
from beam_deeplab.transforms.parquet.parts import DamagedPartError, open_part, read_columns
from beam_deeplab.transforms.parquet.schemas import DATASETS, FAILURES, MASKS, dataset_schema
from beam_deeplab.transforms.records import Part
from beam_deeplab.transforms.runs import attempts
from beam_deeplab.transforms.runs.card import CARD_FILE, data_card
from beam_deeplab.transforms.runs.deriving import write_tables
from beam_deeplab.transforms.runs.inventory import Inventory, StandingShard, take_inventory
from beam_deeplab.transforms.runs.manifest import (
    MANIFEST_FILE,
    Manifest,
    RunRecord,
)
from beam_deeplab.transforms.runs.part_list import write_part_list
from beam_deeplab.transforms.runs.sharding import PlanSummary
from beam_deeplab.transforms.runs.tables import TABLES
from beam_deeplab.transforms.runs.tables.table import Collection as ImageCollection
from beam_deeplab.transforms.runs.tables.table import ShardRows

_NAMED = 5
"""How many culprits an error names."""

LITTLE_LEFT: Final = 64
"""Pixels of a picture's shorter side below which the network, which answers every 8 or 16 pixels,
sees hardly anything of it."""

_SHARDS_AT_ONCE: Final = 64
_READERS: Final = 16

NO_FAILURES: Final = f"{FAILURES}/none.parquet"
"""A file without rows, so that a query over the failures of a clean run finds a table."""


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
    _check_whole(inventory)
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
        "discarded_parts": plan.discarded_parts,
    }


def _check_written(written: Iterable[Part], inventory: Inventory) -> None:
    standing = {item.part for item in inventory.parts()}
    changed = {part.path for part in written if part not in standing}
    _raise_for("parts missing or not as they were written", changed)


def _check_whole(inventory: Inventory) -> None:
    broken = {shard.describe_fault() for shard in inventory.shards.values() if not shard.is_whole}
    _raise_for("shards whose parts do not add up", broken)


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
    """Reconciles the output with the plan, makes its tables, and writes ``manifest.json`` last.

    Running it again writes the same files again, but for the time.

    Raises:
        CommitError: The output is not what was planned; there is no manifest then.
        OSError: Something cannot be read or written now.
    """
    inventory = take_inventory(output)
    counts = reconcile(plan, written, inventory)
    metadata = run.part_metadata()
    labels = metadata["model"].get("labels", {}).get("classes", [])
    collection = ImageCollection(tuple(each["name"] for each in labels), run.images_root)
    sums = _Sums()
    tables = write_tables(
        output,
        TABLES,
        sums.over(_rows_of_shards(output, inventory)),
        collection,
        images=counts["total_masks"] + counts["total_failures"],
        metadata=json.dumps(metadata, sort_keys=True).encode(),
    )
    _write_no_failures(output, is_clean=not counts["total_failures"])
    card = data_card(
        counts,
        collection.class_names,
        str(metadata["model"].get("reference", "")),
        [MASKS, *tables, *([FAILURES] if counts["total_failures"] else [])],
    )
    storage.write_atomically(storage.join(output, CARD_FILE), card.encode())
    committed = datetime.now(UTC)
    manifest = Manifest(
        run_id=run.run_id,
        fingerprint=run.fingerprint,
        options=run.options,
        model=metadata["model"],
        versions=run.versions,
        counts=counts | {"barely_seen": sums.barely_seen, "truncated": sums.truncated},
        failures_by_code=dict(Counter(code for item in inventory.parts() for code in item.codes)),
        class_pixels={
            collection.class_names[label]: sums.pixels[label] for label in sorted(sums.pixels)
        },
        parts=write_part_list(output, (standing.part for standing in inventory.parts())),
        tables=tables,
        writers=_writers(inventory),
        started=run.started,
        committed=committed.isoformat(timespec="milliseconds"),
        seconds=seconds_between(run.started, committed),
        left_out=plan.left_out,
    )
    storage.write_atomically(storage.join(output, MANIFEST_FILE), manifest.to_json())
    attempts.clear(output)
    return manifest


def seconds_between(started: str, ended: datetime) -> float:
    """How long a run took by two clocks, never less than nothing.

    Args:
        started: ISO 8601, by the launching machine's clock.
        ended: By the clock of the worker that commits.
    """
    return max(0.0, round((ended - datetime.fromisoformat(started)).total_seconds(), 3))


def _rows_of_shards(output: str, inventory: Inventory) -> Iterator[Sequence[ShardRows]]:
    """What the shards have written but for the masks' bytes, some shards at a time."""
    shards = list(inventory.shards.values())
    with ThreadPoolExecutor(_READERS) as pool:
        for start in range(0, len(shards), _SHARDS_AT_ONCE):
            some = shards[start : start + _SHARDS_AT_ONCE]
            yield list(pool.map(lambda shard: _rows_of_shard(output, shard), some))


def _rows_of_shard(output: str, shard: StandingShard) -> ShardRows:
    tables = {}
    for dataset in DATASETS:
        schema = dataset_schema(dataset)
        columns = [name for name in schema.names if name != "mask"]
        if dataset not in shard.parts:
            tables[dataset] = schema.empty_table().select(columns)
            continue
        path = shard.parts[dataset].part.path
        try:
            with storage.open_seekable(storage.join(output, path)) as file:
                tables[dataset] = read_columns(open_part(file), columns)
        except DamagedPartError as error:
            raise CommitError(f"{path} is damaged: {error}; resume the run") from error
    return ShardRows(tables[MASKS], tables[FAILURES])


@dataclass
class _Sums:
    """What is added up over all masks while the tables are made.

    Attributes:
        pixels: By class id.
        barely_seen: Pictures of which the reduction has left little
            (:data:`LITTLE_LEFT`).
        truncated: Pictures of which only a part was there.
    """

    pixels: Counter[int] = field(default_factory=Counter)
    barely_seen: int = 0
    truncated: int = 0

    def over(self, shards: Iterable[Sequence[ShardRows]]) -> Iterator[Sequence[ShardRows]]:
        """The same shards, each counted on its way."""
        for some in shards:
            for shard in some:
                self._add(shard.masks)
            yield some

    def _add(self, masks: pa.Table) -> None:
        for areas in masks.column("areas").to_pylist():
            self.pixels.update({area["class_id"]: area["pixels"] for area in areas})
        short_side = pc.min_element_wise(masks.column("width"), masks.column("height"))
        left = pc.multiply(short_side, masks.column("scale"))
        little = pc.and_(pc.less(left, LITTLE_LEFT), pc.greater_equal(short_side, LITTLE_LEFT))
        self.barely_seen += pc.sum(little).as_py() or 0
        self.truncated += pc.sum(masks.column("truncated")).as_py() or 0


def _write_no_failures(output: str, *, is_clean: bool) -> None:
    uri = storage.join(output, NO_FAILURES)
    if not is_clean:
        storage.delete(uri)
        return
    sink = io.BytesIO()
    pq.write_table(dataset_schema(FAILURES).empty_table(), sink)
    storage.write_atomically(uri, sink.getvalue())


def _writers(inventory: Inventory) -> list[dict[str, Any]]:
    """What the parts say of who wrote them, each sort once."""
    parts = Counter(
        json.dumps(
            {
                "model": {
                    key: (standing.writer.get("model") or {}).get(key)
                    for key in ("reference", "digest")
                },
                "versions": standing.writer.get("versions"),
            },
            sort_keys=True,
        )
        for standing in inventory.parts()
    )
    return [json.loads(writer) | {"parts": count} for writer, count in sorted(parts.items())]


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
