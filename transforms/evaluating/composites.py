"""Evaluation as Beam transforms: thin wrappers that map the pure functions beside them.

From reading to scoring it is the fused stage of :mod:`transforms.segmenting.composites`, with the
truth's bytes along in ``ref``: the masks that are measured are made as those that are served.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import apache_beam as beam
import pyarrow.parquet as pq

from beam_deeplab.transforms import storage
from beam_deeplab.transforms.evaluating.planning import PairShard
from beam_deeplab.transforms.evaluating.score_parts import ScoredShard, write_score_parts
from beam_deeplab.transforms.evaluating.scoring import (
    ImageScore,
    TruthRule,
    read_pairs,
    score_mask,
    unreadable_truth,
)
from beam_deeplab.transforms.evaluating.tally import Tally
from beam_deeplab.transforms.metrics import count, count_outcome, timed, timed_each
from beam_deeplab.transforms.records import (
    EncodedImage,
    Failure,
    ImageRef,
    LabelledRef,
    Original,
    Segmentation,
    ShardSlot,
)
from beam_deeplab.transforms.runs.writing import ShardAssembly
from beam_deeplab.transforms.segmenting.composites import SegmentEncoded, past_failures
from beam_deeplab.transforms.segmenting.handler import Recipe
from beam_deeplab.transforms.sources.reading import read_images

ScoreRow = ImageScore | Failure


def slots_of(shard: PairShard) -> Iterator[ShardSlot]:
    """The place of each pair of a shard, in order."""
    for index in range(len(shard.refs)):
        yield ShardSlot(shard.id, index, len(shard.refs))


def read_pair_shard(shard: PairShard) -> Iterator[EncodedImage | Failure]:
    """Reads a shard's images and truths, in order, each pair with its place in the shard."""
    rows = timed_each("read", read_pairs(shard.refs))
    for row, slot in zip(rows, slots_of(shard), strict=True):
        yield replace(_counted(row), slot=slot)


def _counted(row: EncodedImage | Failure) -> EncodedImage | Failure:
    if isinstance(row, EncodedImage):
        assert isinstance(row.ref, LabelledRef)
        count("bytes_read", len(row.data) + len(row.ref.truth_data))
    return row


def read_mask_shard(shard: PairShard) -> Iterator[Segmentation | Failure]:
    """Reads masks that an earlier run wrote, and their truths.

    Args:
        shard: Pairs whose masks one part holds.

    Yields:
        One row a pair: the mask with its truth's content, or TRUTH_UNREADABLE.

    Raises:
        OSError: The part is no longer there, or damaged: that is the run's fault, not an image's.
        KeyError: It lacks a mask that it held when the evaluation was planned.
    """
    slots = dict(zip((ref.uri for ref in shard.refs), slots_of(shard), strict=True))
    truths = read_images(ref.truth for ref in shard.refs)
    with storage.open_seekable(shard.part) as file:
        table = pq.read_table(file, columns=["image_uri", "width", "height", "mask"])
    row_by_uri = {uri: row for row, uri in enumerate(table.column("image_uri").to_pylist())}
    for ref, truth in zip(shard.refs, truths, strict=True):
        slot = slots[ref.uri]
        if isinstance(truth, Failure):
            yield unreadable_truth(ref, truth, slot)
            continue
        (row,) = table.slice(row_by_uri[ref.uri], 1).to_pylist()
        yield Segmentation(
            ref=replace(ref, truth=truth.ref, truth_data=truth.data),
            mask_png=row["mask"]["bytes"],
            areas=(),
            original=Original(row["height"], row["width"]),
            slot=slot,
        )


class _WriteScoresFn(beam.DoFn):
    def __init__(self, folder: str, class_names: Sequence[str]) -> None:
        self._folder = folder
        self._class_names = tuple(class_names)

    def start_bundle(self) -> None:
        self._assembly = ShardAssembly[ScoreRow]()

    def process(self, row: ScoreRow) -> Iterator[ScoredShard]:
        count_outcome(row, "scores")
        whole = self._assembly.add(row)
        if whole is not None:
            shard, rows = whole
            write_score_parts(self._folder, shard, rows, self._class_names)
            yield _scored_shard(shard, rows, len(self._class_names))

    def finish_bundle(self) -> None:
        self._assembly.close()


def _scored_shard(shard: str, rows: Sequence[ScoreRow], classes: int) -> ScoredShard:
    scores = [row for row in rows if isinstance(row, ImageScore)]
    tally = sum((row.tally for row in scores), Tally.empty(classes))
    return ScoredShard(shard, len(scores), len(rows) - len(scores), tally)


@dataclass(eq=False)
class ScoreShards(beam.PTransform):
    """Shards of pairs -> what each came to: one fused stage from the shuffle to the file.

    Attributes:
        folder: Where the parts of shards are written.
        rule: How truth files are understood.
        recipe: What makes the masks; None to score those that an earlier run wrote.
        engine_threads: Cores that each process computes on; None for all that it sees.
    """

    folder: str
    rule: TruthRule
    recipe: Recipe | None = None
    engine_threads: int | None = None

    def expand(self, shards: beam.PCollection[PairShard]) -> beam.PCollection[ScoredShard]:
        """Reads, segments, scores and writes."""
        shuffled = shards | beam.Reshuffle()
        if self.recipe is None:
            masks = shuffled | "Read" >> beam.FlatMap(read_mask_shard)
        else:
            pairs = shuffled | "Read" >> beam.FlatMap(read_pair_shard)
            masks = pairs | SegmentEncoded(self.recipe, self.engine_threads)
        score = past_failures(timed("score")(score_mask), rule=self.rule)
        write = _WriteScoresFn(self.folder, self.rule.labels.names)
        return masks | "Score" >> beam.Map(score) | "Write" >> beam.ParDo(write)


class SumTallies(beam.CombineFn):
    """Adds up tallies: exact, in any order and grouping.

    Args:
        classes: How many classes they tell apart.
    """

    def __init__(self, classes: int) -> None:
        super().__init__()
        self._classes = classes

    def create_accumulator(self) -> Tally:
        """The tally of no picture."""
        return Tally.empty(self._classes)

    def add_input(self, accumulator: Tally, tally: Tally) -> Tally:
        """Both together."""
        return accumulator + tally

    def merge_accumulators(self, accumulators: Iterable[Tally]) -> Tally:
        """All together."""
        return sum(accumulators, Tally.empty(self._classes))

    def extract_output(self, accumulator: Tally) -> Tally:
        """The sum."""
        return accumulator


Pair = LabelledRef | tuple[str, str]


def encode_pair(pair: Pair) -> EncodedImage | Failure:
    """Reads an image and its truth, each named by a URI."""
    ref = pair
    if isinstance(ref, tuple):
        image, truth = ref
        ref = LabelledRef(image, truth=ImageRef(truth))
    with timed("read"):
        (row,) = read_pairs([ref])
    return _counted(row)


@dataclass(eq=False)
class EvaluateImages(beam.PTransform):
    """Scores a model in a pipeline of your own.

    Takes a PCollection of :class:`transforms.LabelledRef`, or of (image URI, truth URI). Gives two
    collections, ``.scores`` (:class:`transforms.ImageScore`) and ``.failures``
    (:class:`transforms.Failure`): every pair comes out in exactly one. The scores' tallies add up
    (:class:`transforms.SumTallies`), and :func:`transforms.measure` computes IoU and accuracy from
    a tally.

    Attributes:
        recipe: What makes the masks.
        rule: How truth files are understood.
    """

    recipe: Recipe
    rule: TruthRule

    def expand(self, pairs: beam.PCollection[Pair]) -> beam.pvalue.DoOutputsTuple:
        """Reads, segments, scores, and parts scores from failures."""
        score = past_failures(timed("score")(score_mask), rule=self.rule)
        return (
            pairs
            | "Read" >> beam.Map(encode_pair)
            | SegmentEncoded(self.recipe)
            | "Score" >> beam.Map(score)
            | "Part" >> beam.FlatMap(_part).with_outputs("failures", main="scores")
        )


def _part(row: ScoreRow) -> Iterator[Any]:
    count_outcome(row, "scores")
    if isinstance(row, Failure):
        assert isinstance(row.ref, LabelledRef)
        bare = replace(row, ref=replace(row.ref, truth_data=b""))
        yield beam.pvalue.TaggedOutput("failures", bare)
    else:
        yield row
