"""The commit: counts that add up, every part in its place, tables, and only then the manifest.

Its steps hold a share of the parts' names, some shards' rows, a bucket of URIs, a file of a table;
sums meet in one place::

    parts -> by share: list -> read -+-> facts ---------+-> sum: reconcile -+-----> manifest, last
                                     +-> URIs: once? ---+                   |         |
                                     +-> rows -------------------> deal <---+         |
                                         by file: write what stood, then the new -----+

Listing is behind a GroupByKey, and begins when every shard is written; a table changes when all
counts are known to add up, and the manifest is written when every table is. Each step may run
twice: it writes the same files again.
"""

from __future__ import annotations

import io
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import apache_beam as beam
import pyarrow as pa
import pyarrow.parquet as pq
from apache_beam.pvalue import AsIter, AsSingleton, TaggedOutput

from beam_deeplab.deeplab.labels import LabelSet
from beam_deeplab.transforms import storage
from beam_deeplab.transforms.parquet.schemas import (
    DATASETS,
    FAILURES,
    RUN_KEY,
    dataset_schema,
)
from beam_deeplab.transforms.records import Part
from beam_deeplab.transforms.runs import attempts
from beam_deeplab.transforms.runs.card import CARD_FILE, data_card
from beam_deeplab.transforms.runs.commit_facts import TWICE, CommitError, CommitFacts, reconcile
from beam_deeplab.transforms.runs.deriving import (
    TableFiles,
    deal,
    decode_rows,
    encode_rows,
    remove_surplus,
    standing_files,
    table_file,
    write_rows,
)
from beam_deeplab.transforms.runs.inventory import (
    PREFIXES,
    ShardFiles,
    StandingShard,
    inspect_shards,
    list_shards,
    some_at_once,
)
from beam_deeplab.transforms.runs.manifest import (
    MANIFEST_FILE,
    PARTS_FILE,
    Manifest,
    PartList,
    RunRecord,
)
from beam_deeplab.transforms.runs.part_list import PART_SCHEMA, part_rows
from beam_deeplab.transforms.runs.plan_facts import Merge
from beam_deeplab.transforms.runs.run_files import NO_FAILURES, remove_temporary_files
from beam_deeplab.transforms.runs.sharding import PlanSummary, bucket_of
from beam_deeplab.transforms.runs.tables import TABLES
from beam_deeplab.transforms.runs.tables.table import Collection as ImageCollection
from beam_deeplab.transforms.runs.tables.table import DerivedTable, ShardRows

__all__ = ["CommitError", "CommitRun", "seconds_between"]

_FACTS: Final = "facts"
_ROWS: Final = "rows"
_PARTS: Final = "parts"
"""Names the list of parts among the tables."""

_STANDING: Final = "standing"
_NEW: Final = "new"
"""Which files of the tables stood before, and which take rows of those."""

_PartRecord = tuple[str, str, int, int]
_File = tuple[str, int]
"""A table's name, and the number of one of its files."""


@dataclass(frozen=True, slots=True)
class Reconciled:
    """An output of which all counts add up.

    Attributes:
        plan: What was to be done.
        counts: What the manifest records.
        facts: The sums.
        files: Of each table, by name.
    """

    plan: PlanSummary
    counts: dict[str, int]
    facts: CommitFacts
    files: dict[str, TableFiles]


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
        """Reconciles the output with the plan, makes its tables, and writes the manifest last.

        Raises:
            CommitError: (by the job) the output is not what was planned; there is no manifest.
        """
        parts, summary = inputs
        shares = parts.pipeline | "Shares" >> beam.Create([(share, ()) for share in PREFIXES])
        found = (
            (shares, parts | "ByShare" >> beam.Map(_by_share))
            | "Written" >> beam.Flatten()
            | beam.GroupByKey()
            | "List" >> beam.FlatMap(list_written, self.output)
            | beam.Reshuffle()
            | "Read" >> beam.FlatMap(self._read).with_outputs(_FACTS, _ROWS, main="uris")
        )
        twice = found.uris | "ByBucket" >> beam.GroupByKey() | "Once" >> beam.MapTuple(_find_twice)
        planned = summary | "Planned" >> beam.Map(lambda plan: CommitFacts(plans=[plan]))
        reconciled = (
            (planned, found[_FACTS], twice)
            | "Facts" >> beam.Flatten()
            | beam.WithKeys(None)
            | "Sum" >> beam.CombinePerKey(Merge(CommitFacts))
            | "Reconcile" >> beam.MapTuple(self._reconcile)
        )
        every_file = reconciled | "Files" >> beam.FlatMap(_every_file).with_outputs(
            _NEW, main=_STANDING
        )
        dealt = found[_ROWS] | "Deal" >> beam.FlatMap(_deal, AsSingleton(reconciled)).with_outputs(
            _NEW, main=_STANDING
        )
        shrunk = self._write_files(_STANDING, every_file, dealt)
        new = self._write_files(_NEW, every_file, dealt, AsIter(shrunk))
        return (
            (reconciled, shrunk, new)
            | "All" >> beam.Flatten()
            | "Gather" >> beam.WithKeys(None)
            | "Together" >> beam.GroupByKey()
            | "Commit" >> beam.MapTuple(self._commit)
        )

    def _write_files(
        self,
        which: str,
        every_file: beam.pvalue.DoOutputsTuple,
        dealt: beam.pvalue.DoOutputsTuple,
        *after: AsIter,
    ) -> beam.PCollection[_File]:
        return (
            (every_file[which], dealt[which])
            | f"Rows of {which}" >> beam.Flatten()
            | f"By {which} file" >> beam.GroupByKey()
            | f"Write {which}" >> beam.MapTuple(self._write, *after)
        )

    @property
    def _collection(self) -> ImageCollection:
        labels = LabelSet.from_dict(self.run.model["labels"])
        return ImageCollection(labels, self.run.images_root)

    @property
    def _tables(self) -> tuple[DerivedTable, ...]:
        return TABLES[self.run.dataset]

    def _read(self, some: tuple[Sequence[ShardFiles], list[_PartRecord]]) -> Iterator[Any]:
        shards, written = some
        facts = CommitFacts()
        standing = inspect_shards(self.output, shards, whole=True)
        by_bucket: dict[int, list[str]] = {}
        for shard in standing:
            facts.add_shard(shard, (Part(*each) for each in written if each[1] == shard.id))
            for dataset in DATASETS:
                for ref in shard.refs(dataset):
                    by_bucket.setdefault(bucket_of(ref.uri), []).append(ref.uri)
        yield from by_bucket.items()
        for name, rows in self._rows_of(standing):
            content = encode_rows(rows)
            facts.table_bytes[name] += len(content)
            yield TaggedOutput(_ROWS, (name, content))
        yield TaggedOutput(_FACTS, facts)

    def _rows_of(self, shards: Sequence[StandingShard]) -> Iterator[tuple[str, pa.Table]]:
        """The rows of some shards in each table; and the parts themselves."""
        yield _PARTS, part_rows(each.part for shard in shards for each in shard.parts.values())
        collection, dataset = self._collection, self.run.dataset
        rows = [ShardRows(shard.rows(dataset), shard.rows(FAILURES)) for shard in shards]
        for table in self._tables:
            made = [table.rows(each, collection) for each in rows]
            yield table.name, pa.concat_tables(made or [table.schema(collection).empty_table()])

    def _reconcile(self, _: None, facts: CommitFacts) -> Reconciled:
        plan, counts = reconcile(facts, self.run.dataset)
        files = {_PARTS: TableFiles(1, 1)}
        for table in self._tables:
            standing = standing_files(self.output, table.name)
            files[table.name] = TableFiles.of(facts.table_bytes[table.name], standing)
            remove_surplus(self.output, table.name, files[table.name])
        return Reconciled(plan, counts, facts, files)

    def _write(self, file: _File, contents: Iterable[bytes], _after: object = ()) -> _File:
        name, index = file
        rows = filter(None, contents)
        if name == _PARTS:
            write_rows(storage.join(self.output, PARTS_FILE), PART_SCHEMA, "path", rows)
            return file
        (table,) = (table for table in self._tables if table.name == name)
        facts = json.dumps(self.run.part_metadata(), sort_keys=True).encode()
        schema = table.schema(self._collection).with_metadata({RUN_KEY: facts})
        path = storage.join(self.output, table_file(name, index))
        write_rows(path, schema, "image_uri", rows)
        return file

    def _commit(self, _: None, gathered: Iterable[Reconciled | _File]) -> Manifest:
        records = list(gathered)
        (reconciled,) = (record for record in records if isinstance(record, Reconciled))
        files = sorted({record for record in records if isinstance(record, tuple)})
        tables = {
            table.name: [table_file(*file) for file in files if file[0] == table.name]
            for table in self._tables
        }
        return self._write_manifest(reconciled, tables)

    def _write_manifest(self, reconciled: Reconciled, tables: dict[str, list[str]]) -> Manifest:
        run, counts, facts = self.run, reconciled.counts, reconciled.facts
        model = run.part_metadata()["model"]
        labels = self._collection.labels
        class_pixels, genre_pixels = Counter[str](), Counter[str]()
        for label, pixels in sorted(facts.pixels.items()):
            class_pixels[labels.names[label]] += pixels
            genre_pixels[labels.genres[label]] += pixels
        _write_no_failures(self.output, is_clean=not counts["total_failures"])
        card = data_card(
            counts,
            labels.names,
            str(model.get("reference", "")),
            [run.dataset, *tables, *([FAILURES] if counts["total_failures"] else [])],
        )
        storage.write_atomically(storage.join(self.output, CARD_FILE), card.encode())
        remove_temporary_files(self.output)
        committed = datetime.now(UTC)
        manifest = Manifest(
            run_id=run.run_id,
            fingerprint=run.fingerprint,
            options=run.options,
            dataset=run.dataset,
            model=model,
            versions=run.versions,
            counts=counts,
            failures_by_code=dict(facts.codes),
            class_pixels=dict(class_pixels),
            genre_pixels=dict(genre_pixels),
            parts=PartList(PARTS_FILE, facts.parts, facts.part_bytes),
            tables=tables,
            writers=[
                json.loads(writer) | {"parts": count}
                for writer, count in sorted(facts.writers.items())
            ],
            started=run.started,
            committed=committed.isoformat(timespec="milliseconds"),
            seconds=seconds_between(run.started, committed),
            left_out=reconciled.plan.left_out,
        )
        storage.write_atomically(storage.join(self.output, MANIFEST_FILE), manifest.to_json())
        attempts.clear(self.output)
        return manifest


def seconds_between(started: str, ended: datetime) -> float:
    """How long a run took by two clocks, never less than nothing.

    Args:
        started: ISO 8601, by the launching machine's clock.
        ended: By the clock of the worker that commits.
    """
    return max(0.0, round((ended - datetime.fromisoformat(started)).total_seconds(), 3))


def _by_share(part: Part) -> tuple[str, _PartRecord]:
    return part.shard[:1], (part.dataset, part.shard, part.rows, part.size)


def list_written(
    share: tuple[str, Iterable[_PartRecord | tuple[()]]], output: str
) -> Iterator[tuple[Sequence[ShardFiles], list[_PartRecord]]]:
    """Lists a share of the output when all its shards are written.

    Args:
        share: What the shards' ids begin with, and the parts that they say they wrote.
        output: The output folder.

    Yields:
        Some shards, also such of which nothing stands, with what they wrote.
    """
    prefix, written = share
    by_shard: dict[str, set[_PartRecord]] = {}
    for part in written:
        if part:
            by_shard.setdefault(part[1], set()).add(part)
    for shards in some_at_once(list_shards(output, prefix, by_shard.keys())):
        yield shards, sorted(part for shard in shards for part in by_shard.get(shard.id, ()))


def _find_twice(_: int, uris: Iterable[list[str]]) -> CommitFacts:
    seen: set[str] = set()
    twice: set[str] = set()
    for some in uris:
        for uri in some:
            (twice if uri in seen else seen).add(uri)
    facts = CommitFacts()
    facts.blame(TWICE, twice)
    return facts


def _deal(rows: tuple[str, bytes], reconciled: Reconciled) -> Iterator[Any]:
    name, content = rows
    files = reconciled.files[name]
    if files.count == 1:
        yield _for_file(files, (name, 0), content)
        return
    for index, dealt in enumerate(deal(decode_rows(content), files.count)):
        if dealt.num_rows:
            yield _for_file(files, (name, index), encode_rows(dealt))


def _every_file(reconciled: Reconciled) -> Iterator[Any]:
    """Each file once, without rows: a table of nothing is a file too."""
    for name, files in reconciled.files.items():
        for index in range(files.count):
            yield _for_file(files, (name, index), b"")


def _for_file(files: TableFiles, file: _File, content: bytes) -> Any:
    rows = file, content
    return rows if file[1] < files.standing else TaggedOutput(_NEW, rows)


def _write_no_failures(output: str, *, is_clean: bool) -> None:
    uri = storage.join(output, NO_FAILURES)
    if not is_clean:
        storage.delete(uri)
        return
    sink = io.BytesIO()
    pq.write_table(dataset_schema(FAILURES).empty_table(), sink)
    storage.write_atomically(uri, sink.getvalue())
