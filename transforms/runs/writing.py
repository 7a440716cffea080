"""Writes each shard as soon as its last image has come."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import apache_beam as beam

from beam_deeplab.deeplab.engines.cores import vector_instructions
from beam_deeplab.transforms import storage
from beam_deeplab.transforms.metrics import count, count_outcome, timed, timed_each
from beam_deeplab.transforms.parquet.parts import (
    DamagedPartError,
    Row,
    dataset_of,
    encode_parts,
    open_part,
    read_columns,
)
from beam_deeplab.transforms.records import BatchBarrier, Failure, Part, ShardSlot
from beam_deeplab.transforms.runs import attempts
from beam_deeplab.transforms.runs.manifest import RunRecord


class BrokenShardError(RuntimeError):
    """A shard's rows did not arrive together: the runner broke what the writer relies on."""


def write_shard(
    output: str, shard: str, rows: Sequence[Row], run: Mapping[str, Any], images_root: str = ""
) -> Iterator[Part]:
    """Writes the parts of one shard, each atomically; again and again with the same result.

    Its failures come first, then its results, which make it finished. An earlier attempt may have
    failed for images that this one has results for, or the other way round; so results of images
    that have failed now go before the failures are written, and a part that this attempt has no
    rows for is removed: no reader sees an image in both.

    The arguments are those of :func:`transforms.parquet.parts.encode_parts`, behind the output.
    """
    results = Part(dataset_of(run), shard, 0, 0)
    _remove_rows_of(
        storage.join(output, results.path),
        {row.ref.uri for row in rows if isinstance(row, Failure)},
    )
    encoded = encode_parts(shard, rows, run, images_root)
    for dataset, length, content in timed_each("encode", encoded):
        part = Part(dataset, shard, length, len(content))
        uri = storage.join(output, part.path)
        with timed("write"):
            if length:
                storage.write_atomically(uri, content)
            else:
                storage.delete(uri)
        if length:
            count("bytes_written", part.size)
            yield part


def _remove_rows_of(uri: str, failed: set[str]) -> None:
    """Removes the results that an earlier attempt wrote if they hold any of these images."""
    if not failed:
        return
    try:
        with storage.open_seekable(uri) as file:
            images = read_columns(open_part(file), ["image_uri"]).column("image_uri")
    except (FileNotFoundError, DamagedPartError):  # a damaged part shows no image
        return
    if not failed.isdisjoint(images.to_pylist()):
        storage.delete(uri)


class ShardAssembly:
    """Gathers rows until their shard is whole.

    Batches span shards, so rows of several shards arrive interleaved; but all rows of a shard
    arrive in one bundle, because a shard is one element until after the shuffle.
    """

    def __init__(self) -> None:
        self._open: dict[str, dict[int, Row]] = {}

    def add(self, row: Row) -> tuple[str, list[Row]] | None:
        """Takes a row; gives the shard's id and its rows in order if that was the last.

        Raises:
            BrokenShardError: The row has no place in a shard, or its place is taken.
        """
        slot = _slot_of(row)
        rows = self._open.setdefault(slot.shard, {})
        if slot.index in rows:
            raise BrokenShardError(f"shard {slot.shard}: two rows for image {slot.index}")
        rows[slot.index] = row
        if len(rows) < slot.length:
            return None
        del self._open[slot.shard]
        return slot.shard, [rows[index] for index in sorted(rows)]

    def close(self) -> None:
        """Ends a bundle; BrokenShardError if a shard is not whole."""
        if self._open:
            shard, rows = next(iter(self._open.items()))
            length = _slot_of(next(iter(rows.values()))).length
            raise BrokenShardError(f"shard {shard}: {len(rows)} of {length} rows in its bundle")


def _slot_of(row: Row) -> ShardSlot:
    slot = row.slot
    if slot is None or not 0 <= slot.index < slot.length:
        raise BrokenShardError(f"{row.ref.uri}: no place in a shard: {slot}")
    return slot


class _WriteShardsFn(beam.DoFn):
    def __init__(self, output: str, run: RunRecord) -> None:
        self._output = output
        self._metadata = run.part_metadata()
        self._depends_on_cpu = run.options.get("precision") == "int8"
        self._images_root = run.images_root

    def setup(self) -> None:
        if self._depends_on_cpu:
            self._metadata["cpu"] = vector_instructions()

    def start_bundle(self) -> None:
        self._assembly = ShardAssembly()

    def process(self, row: Row | BatchBarrier | Part) -> Iterator[Part]:
        if isinstance(row, BatchBarrier):
            return
        if isinstance(row, Part):
            yield row
            return
        count_outcome(row, dataset_of(self._metadata))
        if not isinstance(row, Failure) and row.slot is not None and row.slot.with_care:
            attempts.keep_aside(self._output, row, self._metadata, self._images_root)
        whole = self._assembly.add(row)
        if whole is not None:
            shard, rows = whole
            yield from write_shard(self._output, shard, rows, self._metadata, self._images_root)
            attempts.finish(self._output, shard)

    def finish_bundle(self) -> None:
        self._assembly.close()


@dataclass(eq=False)
class WriteShards(beam.PTransform):
    """``Segmentation | Rendering | Failure`` -> the parts that each shard wrote; parts go through.

    Must stay fused to the step that expanded the shards: rows of one shard have to arrive in
    one bundle. It raises :class:`BrokenShardError` where a runner breaks that, and never drops
    or overwrites a row.

    Attributes:
        output: The output folder.
        run: What makes the rows.
    """

    output: str
    run: RunRecord

    def expand(self, rows: beam.PCollection[Row]) -> beam.PCollection[Part]:
        """Writes each shard when its last row has come."""
        return rows | beam.ParDo(_WriteShardsFn(self.output, self.run))
