"""Evaluation in a pipeline of one's own."""

from __future__ import annotations

from pathlib import Path

import apache_beam as beam
import numpy as np
from apache_beam.testing.util import assert_that
from PIL import Image

from beam_deeplab import (
    EvaluateImages,
    Failure,
    ImageRef,
    ImageScore,
    LabelledRef,
    SumTallies,
    Tally,
    measure,
)
from beam_deeplab.deeplab.models import inspect_model


def test_each_pair_is_a_score_or_a_failure_and_tallies_add_up(
    mobilenet_checkpoint: Path, voc_photos: list[Path], tmp_path: Path
) -> None:
    model = inspect_model(str(mobilenet_checkpoint))
    truths = voc_photos[0].parent.parent / "SegmentationClassAug"
    sound = [(str(photo), str(truths / f"{photo.stem}.png")) for photo in voc_photos[:3]]
    missing, small = str(tmp_path / "missing.png"), str(tmp_path / "small.png")
    Image.fromarray(np.zeros((2, 3), np.uint8)).save(small)
    pairs = [
        *sound[:2],
        LabelledRef(sound[2][0], truth=ImageRef(sound[2][1])),
        (str(voc_photos[3]), missing),
        (str(voc_photos[4]), small),
        (missing, small),
    ]

    def check_scores(rows: list[ImageScore]) -> None:
        assert sorted((row.ref.uri, row.ref.truth.uri) for row in rows) == sound
        for row in rows:
            truth = np.asarray(Image.open(row.ref.truth.uri))
            assert (row.height, row.width) == truth.shape
            assert row.tally.confusion.sum() == (truth != 255).sum()
            assert row.ref.version
            assert row.ref.truth.version

    def check_failures(rows: list[Failure]) -> None:
        codes = {(row.ref.uri, str(row.code)) for row in rows}
        assert codes == {
            (str(voc_photos[3]), "TRUTH_UNREADABLE"),
            (str(voc_photos[4]), "TRUTH_SIZE"),
            (missing, "NOT_FOUND"),
        }

    def check_tally(rows: list[Tally]) -> None:
        (tally,) = rows
        found = measure(tally)
        assert tally.images == 3
        assert found.miou is not None
        assert 0.3 < found.miou < 1

    with beam.Pipeline(runner="FnApiRunner") as pipeline:
        results = pipeline | beam.Create(pairs) | EvaluateImages(model)
        assert_that(results.scores, check_scores, label="scores")
        assert_that(results.failures, check_failures, label="failures")
        total = (
            results.scores
            | beam.Map(lambda score: score.tally)
            | beam.CombineGlobally(SumTallies(len(model.labels)))
        )
        assert_that(total, check_tally, label="tally")
