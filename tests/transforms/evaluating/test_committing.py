"""The report of an evaluation: written when every row adds up, and not otherwise."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from beam_deeplab.transforms.evaluating.pair_sources import Named, NamedImage, NamedTruth
from beam_deeplab.transforms.evaluating.planning import PairSummary, plan_pairs
from beam_deeplab.transforms.evaluating.score_parts import FOLDER, ScoredShard, write_score_parts

from beam_deeplab.deeplab.labels import LabelSet
from beam_deeplab.transforms.evaluating.committing import REPORT_FILES, commit_evaluation
from beam_deeplab.transforms.evaluating.composites import _scored_shard
from beam_deeplab.transforms.evaluating.scoring import ImageScore
from beam_deeplab.transforms.evaluating.tally import Tally, tally_pixels
from beam_deeplab.transforms.records import Failure, FailureCode, ImageRef, Stage
from beam_deeplab.transforms.runs.committing import CommitError
from tests.transforms.runs.test_committing import RUN as SEGMENT_RUN

LABELS = LabelSet("two", ("ground", "house"), ((0, 0, 0), (255, 0, 0)))
RUN = replace(SEGMENT_RUN, model={"labels": LABELS.to_dict()})

Written = tuple[PairSummary, list[ScoredShard], Tally]


def _write(output: Path) -> Written:
    """Five pairs, one of which cannot be scored and one of which is ignored, and a lone truth."""
    images = [NamedImage(ImageRef(f"{n}.jpg", "1")) for n in range(5)]
    truths = [NamedTruth(ImageRef(f"{n}.png", "1")) for n in range(6)]
    plan = plan_pairs([*images, *truths], RUN.run_id, shard_size=2)
    folder = str(output / FOLDER)
    write_score_parts(folder, plan.failures_shard, plan.failures, ())
    shards = []
    rng = np.random.default_rng(0)
    for shard in plan.shards:
        rows: list[ImageScore | Failure] = []
        for ref in shard.refs:
            if ref.uri == "3.jpg":
                rows.append(Failure(ref, Stage.SCORE, FailureCode.TRUTH_SIZE, "other"))
                continue
            truth, mask = rng.integers(0, 2, (2, 6, 8), dtype=np.uint8)
            truth = np.full_like(truth, 255) if ref.uri == "0.jpg" else truth
            rows.append(ImageScore(ref, tally_pixels(truth, mask, 2), 6, 8))
        write_score_parts(folder, shard.id, rows, LABELS.names)
        shards.append(_scored_shard(shard.id, rows, 2))
    return plan.summary, shards, sum((shard.tally for shard in shards), Tally.empty(2))


def test_everything_in_its_place_is_a_report(tmp_path: Path) -> None:
    plan, shards, tally = _write(tmp_path)
    metrics = commit_evaluation(str(tmp_path), RUN, plan, shards, tally)
    assert metrics == json.loads((tmp_path / "metrics.json").read_bytes())
    assert (metrics["images"], metrics["failures"]) == (4, 2)
    assert metrics["failures_by_code"] == {"MISSING_IMAGE": 1, "TRUTH_SIZE": 1}
    assert metrics["pixels"] == 3 * 48
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
    plan, shards, tally = _write(tmp_path)
    metrics = commit_evaluation(str(tmp_path), RUN, plan, shards, tally)
    assert commit_evaluation(str(tmp_path), RUN, plan, shards, tally) == metrics


def test_a_shard_that_was_written_twice_counts_once(tmp_path: Path) -> None:
    _write(tmp_path)
    plan, shards, tally = _write(tmp_path)
    assert commit_evaluation(str(tmp_path), RUN, plan, shards, tally)["images"] == 4


def _refused(output: Path, written: Written, words: str) -> None:
    with pytest.raises(CommitError, match=words):
        commit_evaluation(str(output), RUN, *written)
    assert not (output / "metrics.json").exists()


def test_a_lost_shard_is_noticed(tmp_path: Path) -> None:
    plan, shards, tally = _write(tmp_path)
    _refused(tmp_path, (plan, shards[1:], tally), "3 rows of pairs, not 5")


def test_a_tally_of_other_images_is_noticed(tmp_path: Path) -> None:
    plan, shards, tally = _write(tmp_path)
    fewer = replace(tally, images=3)
    _refused(tmp_path, (plan, shards, fewer), "3 images in the tally, not 4")
    confusion = tally.confusion.copy()
    confusion[0, 0] += 1
    other = replace(tally, confusion=confusion)
    _refused(tmp_path, (plan, shards, other), "144 pixels in the scores, not 145")
    confusion[0, 1] -= 1
    _refused(tmp_path, (plan, shards, replace(tally, confusion=confusion)), "correct pixels")


def test_a_part_that_lost_rows_is_noticed(tmp_path: Path) -> None:
    plan, shards, tally = _write(tmp_path)
    part = tmp_path / FOLDER / "scores" / f"part-{shards[0].id}.parquet"
    pq.write_table(pq.read_table(part).slice(1), part)
    _refused(tmp_path, (plan, shards, tally), "3 rows of scores, not 4")


def test_an_image_in_two_rows_is_noticed(tmp_path: Path) -> None:
    plan, shards, tally = _write(tmp_path)
    part = tmp_path / FOLDER / "failures" / f"part-{plan.shards[-1]}.parquet"
    table = pq.read_table(part)
    table = table.set_column(0, table.field(0), [["4.jpg"]])
    pq.write_table(table, part)
    _refused(tmp_path, (plan, shards, tally), "images in more than one row: 4.jpg")


def test_an_evaluation_in_which_everything_failed_has_a_report_too(tmp_path: Path) -> None:
    named: list[Named] = [NamedImage(ImageRef("a.jpg")), NamedTruth(ImageRef("b.png"))]
    plan = plan_pairs(named, RUN.run_id)
    write_score_parts(str(tmp_path / FOLDER), plan.failures_shard, plan.failures, ())
    metrics = commit_evaluation(str(tmp_path), RUN, plan.summary, [], Tally.empty(2))
    assert metrics["miou"] is metrics["pixel_accuracy"] is metrics["boundary_iou"] is None
    assert metrics["iou"] == {"ground": None, "house": None}
    assert (metrics["images"], metrics["failures"]) == (0, 2)
    assert pq.read_table(tmp_path / "scores.parquet").num_rows == 0
