"""Evaluation as Beam transforms: thin wrappers that map the pure functions beside them.

What is scored are the masks that :mod:`transforms.segmenting` makes, those of a committed run or
those that flow by: there is no other way to masks.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import apache_beam as beam

from beam_deeplab.deeplab.truth import TruthFormat, TruthRule
from beam_deeplab.transforms import storage
from beam_deeplab.transforms.evaluating.committing import PAIRS_FILE, ScoredRows, commit_evaluation
from beam_deeplab.transforms.evaluating.scoring import ImageScore, score_mask
from beam_deeplab.transforms.evaluating.tables import failures_table, read_pairs, scores_table
from beam_deeplab.transforms.evaluating.tally import Tally
from beam_deeplab.transforms.metrics import count, count_outcome, timed, timed_each
from beam_deeplab.transforms.records import (
    EncodedImage,
    Failure,
    FailureCode,
    ImageRef,
    LabelledRef,
    Segmentation,
    Stage,
)
from beam_deeplab.transforms.runs.manifest import RunRecord
from beam_deeplab.transforms.runs.segmented import list_failures, list_results, read_masks
from beam_deeplab.transforms.segmenting.composites import SegmentImages, only_for, parted
from beam_deeplab.transforms.sources.reading import read_image, read_images


@dataclass(frozen=True, slots=True)
class PairedPart:
    """The pairs whose masks one part holds: what is scored at once, and again after a crash."""

    part: str
    pairs: tuple[LabelledRef, ...]


def plan_scoring(segmented: str, output: str) -> Iterator[PairedPart | Failure]:
    """Finds the mask of each pair in the list that stands in ``output``.

    Yields:
        The parts that hold masks of pairs; and for each pair without a mask why there is none.

    Raises:
        OSError: The list or a part cannot be read.
    """
    pairs = {pair.uri: pair for pair in read_pairs(storage.join(output, PAIRS_FILE))}
    for part, refs in list_results(segmented):
        held = tuple(pairs.pop(ref.uri) for ref in refs if ref.uri in pairs)
        if held:
            yield PairedPart(part, held)
    for failure in list_failures(segmented):
        if failure.ref.uri in pairs:
            yield replace(failure, ref=pairs.pop(failure.ref.uri))
    for pair in pairs.values():
        message = f"the run {segmented} holds neither a mask nor a failure of it"
        yield Failure(pair, Stage.SCORE, FailureCode.NOT_FOUND, message)


def score_part(work: PairedPart | Failure, rule: TruthRule) -> Iterator[ScoredRows]:
    """Scores the masks of one part.

    Raises:
        OSError: The part is no longer there, or damaged.
        transforms.storage.CredentialsError: Nobody is signed in.
    """
    if isinstance(work, Failure):
        yield scored_rows([work], rule)
        return
    pairs = {pair.uri: pair for pair in work.pairs}
    masks = read_masks(work.part, pairs)
    truths = timed_each("read", read_images(pair.truth for pair in work.pairs))
    yield scored_rows(
        [
            _score(replace(mask, ref=pairs[mask.ref.uri]), truth, rule)
            for mask, truth in zip(masks, truths, strict=True)
        ],
        rule,
    )


@timed("score")
def _score(
    mask: Segmentation, truth: EncodedImage | Failure, rule: TruthRule
) -> ImageScore | Failure:
    if isinstance(truth, EncodedImage):
        count("bytes_read", len(truth.data))
    return score_mask(mask, truth, rule)


def scored_rows(rows: Sequence[ImageScore | Failure], rule: TruthRule) -> ScoredRows:
    """What some pairs came to, as tables and sums."""
    for row in rows:
        count_outcome(row, "scores")
    scores = [row for row in rows if isinstance(row, ImageScore)]
    return ScoredRows(
        scores_table(scores, rule.labels.names),
        failures_table([row for row in rows if isinstance(row, Failure)]),
        sum((row.tally for row in scores), Tally.empty(len(rule.labels))),
    )


@dataclass(eq=False)
class ScoreRun(beam.PTransform):
    """The masks of a committed run -> the metrics of the report, which its last step writes.

    The list of pairs stands in ``output`` already.
    """

    segmented: str
    output: str
    rule: TruthRule
    run: RunRecord

    def expand(self, root: beam.pvalue.PBegin) -> beam.PCollection[dict[str, Any]]:
        """Scores part by part, and sums."""
        empty = scored_rows([], self.rule)
        return (
            root
            | beam.Create([self.segmented])
            | "Plan" >> beam.FlatMap(plan_scoring, self.output)
            | beam.Reshuffle()
            | "Score" >> beam.FlatMap(score_part, self.rule)
            | "Sum" >> beam.CombineGlobally(lambda rows: sum(rows, empty))
            | "Commit" >> beam.Map(partial(commit_evaluation, self.output, self.run))
        )


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


@dataclass(eq=False)
class EvaluateImages(SegmentImages):
    """Scores a model in a pipeline of your own: :class:`SegmentImages`, then the scoring.

    Takes a PCollection of :class:`transforms.LabelledRef`, or of (image URI, truth URI). Gives two
    collections, ``.scores`` (:class:`transforms.ImageScore`) and ``.failures``
    (:class:`transforms.Failure`): every pair comes out in exactly one. The scores' tallies add up
    (:class:`transforms.SumTallies`), and :func:`transforms.measure` computes IoU and accuracy from
    a tally.

    Attributes:
        truth_format: What the pixels of truth stand for: ``ids``, ``cityscapes``, ``ade20k`` or
            ``colors``; ``auto`` for what the model's classes and the files' names suggest.
        ignore_labels: Values of pixels of truth that count nowhere, beside 255.
    """

    truth_format: str = "auto"
    ignore_labels: Sequence[int] = ()

    def expand(self, pairs: beam.PCollection) -> beam.pvalue.DoOutputsTuple:
        """Reads, segments, scores, and parts scores from failures.

        Raises:
            deeplab.labels.LabelError: The number of classes does not suit the format.
        """
        recipe = self.recipe()
        rule = TruthRule(
            recipe.model.labels,
            None if self.truth_format == "auto" else TruthFormat(self.truth_format),
            tuple(self.ignore_labels),
            self.decoding.max_pixels,
        )
        return (
            self.segment(pairs | "Pair" >> beam.Map(_labelled), recipe)
            | "Score" >> beam.Map(only_for(Segmentation, _read_and_score, rule=rule))
            | "Part" >> beam.FlatMap(parted, "scores").with_outputs("failures", main="scores")
        )


def _labelled(pair: LabelledRef | tuple[str, str]) -> LabelledRef:
    if isinstance(pair, LabelledRef):
        return pair
    image, truth = pair
    return LabelledRef(image, truth=ImageRef(truth))


def _read_and_score(mask: Segmentation, rule: TruthRule) -> ImageScore | Failure:
    assert isinstance(mask.ref, LabelledRef)
    with timed("read"):
        truth = read_image(mask.ref.truth)
    return _score(mask, truth, rule)
