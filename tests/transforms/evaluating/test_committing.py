"""The report of an evaluation: written when every row adds up, and not otherwise."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from beam_deeplab.deeplab.labels import LabelSet
from beam_deeplab.deeplab.truth import TruthRule
from beam_deeplab.transforms.evaluating.committing import (
    REPORT_FILES,
    ScoredRows,
    begin_evaluation,
    commit_evaluation,
)
from beam_deeplab.transforms.evaluating.composites import scored_rows
from beam_deeplab.transforms.evaluating.pairing import pair_by_name
from beam_deeplab.transforms.evaluating.scoring import ImageScore
from beam_deeplab.transforms.evaluating.tally import tally_pixels
from beam_deeplab.transforms.records import Failure, FailureCode, ImageRef, Stage
from beam_deeplab.transforms.runs.commit_facts import CommitError
from beam_deeplab.transforms.runs.manifest import RunRecord
from tests.rows import RUN as SEGMENT_RUN

LABELS = LabelSet("three", ("ground", "house", "boat"), ((0, 0, 0), (255, 0, 0), (0, 0, 255)))
RULE = TruthRule(LABELS)


def _begin(output: Path, images: int, truths: int) -> tuple[RunRecord, ScoredRows]:
    """Pairs, of which 3 cannot be scored and 0 is all ignored; each scored alone and added up."""
    pairing = pair_by_name(
        [ImageRef(f"{n}.jpg", "1") for n in range(images)],
        [ImageRef(f"{n}.png", "1") for n in range(images - min(images, truths), truths)],
    )
    begin_evaluation(str(output), pairing)
    scored = scored_rows([], RULE)
    rng = np.random.default_rng(0)
    for ref in pairing.pairs:
        row: ImageScore | Failure = Failure(ref, Stage.SCORE, FailureCode.TRUTH_SIZE, "other")
        if ref.uri != "3.jpg":
            truth, mask = rng.integers(0, 2, (2, 6, 8), dtype=np.uint8)
            truth = np.full_like(truth, 255) if ref.uri == "0.jpg" else truth
            row = ImageScore(ref, tally_pixels(truth, mask, 3), 6, 8)
        scored = scored_rows([row], RULE) + scored
    settings = {"input": ["*.jpg"], "named": pairing.named()}
    return replace(SEGMENT_RUN, model={"labels": LABELS.to_dict()}, settings=settings), scored


def test_everything_in_its_place_is_a_report(tmp_path: Path) -> None:
    run, scored = _begin(tmp_path, 5, 6)
    metrics = commit_evaluation(str(tmp_path), run, scored)
    assert metrics == json.loads((tmp_path / "metrics.json").read_bytes())
    assert (metrics["images"], metrics["failures"]) == (4, 2)
    assert metrics["failures_by_code"] == {"MISSING_IMAGE": 1, "TRUTH_SIZE": 1}
    assert metrics["pixels"] == 3 * 48
    assert metrics["classes_without_truth"] == ["boat"]
    assert metrics["named"]["pairs"] == 5
    scores = pq.read_table(tmp_path / "scores.parquet").to_pylist()
    assert sorted(row["image_uri"] for row in scores) == ["0.jpg", "1.jpg", "2.jpg", "4.jpg"]
    ignored = scores[-1]
    assert (ignored["image_uri"], ignored["pixels"], ignored["class_iou"]) == ("0.jpg", 0, [])
    assert ignored["miou"] is ignored["pixel_accuracy"] is ignored["boundary_iou"] is None
    failures = pq.read_table(tmp_path / "failures.parquet").to_pylist()
    assert [(row["image_uri"], row["truth_uri"], row["code"]) for row in failures] == [
        ("3.jpg", "3.png", "TRUTH_SIZE"),
        (None, "5.png", "MISSING_IMAGE"),
    ]
    files = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert files == {*REPORT_FILES, "metrics.json"}


def test_a_commit_whose_answer_got_lost_can_be_repeated(tmp_path: Path) -> None:
    run, scored = _begin(tmp_path, 5, 6)
    metrics = commit_evaluation(str(tmp_path), run, scored)
    before = [(tmp_path / name).read_bytes() for name in REPORT_FILES]
    again = commit_evaluation(str(tmp_path), run, scored)
    assert [(tmp_path / name).read_bytes() for name in REPORT_FILES] == before
    times = ("committed", "seconds")
    assert {k: v for k, v in again.items() if k not in times} == {
        k: v for k, v in metrics.items() if k not in times
    }


def _without_a_score(scored: ScoredRows) -> ScoredRows:
    return replace(scored, scores=scored.scores.slice(1))


def _fewer_images(scored: ScoredRows) -> ScoredRows:
    return replace(scored, tally=replace(scored.tally, images=3))


def _another_pixel(scored: ScoredRows) -> ScoredRows:
    confusion = scored.tally.confusion.copy()
    confusion[0, 0] += 1
    return replace(scored, tally=replace(scored.tally, confusion=confusion))


def _another_hit(scored: ScoredRows) -> ScoredRows:
    confusion = scored.tally.confusion.copy()
    confusion[0, 0] += 1
    confusion[0, 1] -= 1
    return replace(scored, tally=replace(scored.tally, confusion=confusion))


def _twice(scored: ScoredRows) -> ScoredRows:
    other = pa.array(["4.jpg"], pa.string())
    return replace(scored, failures=scored.failures.set_column(0, "image_uri", other))


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (_without_a_score, "4 rows of pairs, not 5"),
        (_fewer_images, "3 images in the tally, not 4"),
        (_another_pixel, "144 pixels in the scores, not 145"),
        (_another_hit, "correct pixels"),
        (_twice, "images in more than one row: 4.jpg"),
    ],
)
def test_rows_that_do_not_add_up_are_no_report(
    spoil: Callable[[ScoredRows], ScoredRows], words: str, tmp_path: Path
) -> None:
    run, scored = _begin(tmp_path, 5, 6)
    with pytest.raises(CommitError, match=words):
        commit_evaluation(str(tmp_path), run, spoil(scored))
    assert not (tmp_path / "metrics.json").exists()


def test_an_evaluation_in_which_everything_failed_has_a_report_too(tmp_path: Path) -> None:
    run, scored = _begin(tmp_path, 1, 0)
    metrics = commit_evaluation(str(tmp_path), run, scored)
    assert metrics["miou"] is metrics["pixel_accuracy"] is metrics["boundary_iou"] is None
    assert set(metrics["iou"].values()) == {None}
    assert (metrics["images"], metrics["failures"]) == (0, 1)
    assert pq.read_table(tmp_path / "scores.parquet").num_rows == 0
