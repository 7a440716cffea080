"""The figures of a run, against the label maps that it is made of."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from beam_deeplab.pipeline.reports.run_report.figures import SCALE_STEPS, RunFigures
from beam_deeplab.pipeline.reports.run_report.scanning import compute_figures
from beam_deeplab.pipeline.reports.run_report.tables import open_tables
from beam_deeplab.transforms.records import FailureCode
from tests.committed_runs import LABELS, Labelled, random_images, write_photos, write_run

IMAGES = random_images(40)
FAILED = {
    **{f"bad-{n}.png": FailureCode.CORRUPT for n in range(8)},
    "gone.png": FailureCode.NOT_FOUND,
}


def figures_of(
    output: Path, images: Mapping[str, Labelled], failed: Mapping[str, FailureCode]
) -> RunFigures:
    write_photos(output / "photos", images)
    manifest = write_run(output / "run", output / "photos", images, failed)
    with open_tables((str(output / "run"), manifest)) as (tables,):
        return compute_figures(tables)


@pytest.fixture(scope="module")
def figures(tmp_path_factory: pytest.TempPathFactory) -> RunFigures:
    # Its name is a pattern, which it must not be taken for.
    return figures_of(tmp_path_factory.mktemp("run[a-c]*'s"), IMAGES, FAILED)


FRACTIONS = np.array([image.fractions() for image in IMAGES.values()])
PIXELS = np.array([image.fractions() * image.labels.size for image in IMAGES.values()])


def test_images_and_failures_are_counted_by_code_with_examples(figures: RunFigures) -> None:
    assert (figures.images, figures.masks) == (49, 40)
    codes = [(each.code, each.images, len(each.examples)) for each in figures.failures]
    assert codes == [("CORRUPT", 8, 5), ("NOT_FOUND", 1, 1)]
    (example,) = figures.failures[1].examples
    assert example.image_uri.endswith("photos/gone.png")
    assert (example.stage, example.message) == ("decode", "it is broken")


def test_areas_are_over_all_pictures_and_where_present(figures: RunFigures) -> None:
    for label, each in enumerate(figures.classes):
        fractions, present = FRACTIONS[:, label], FRACTIONS[:, label] > 0
        assert each.area.pictures == present.sum()
        assert each.pixels == PIXELS[:, label].sum()
        assert each.area.share_of_pixels == pytest.approx(PIXELS[:, label].sum() / PIXELS.sum())
        assert each.area.mean_over_all_pictures == pytest.approx(fractions.mean())
        if present.any():
            assert each.area.mean_where_present == pytest.approx(fractions[present].mean())
            confidence = np.array([image.confidence[label] for image in IMAGES.values()])
            expected = np.average(confidence, weights=PIXELS[:, label])
            assert each.mean_confidence == pytest.approx(expected)
            median = np.quantile(fractions[present], 0.5, method="inverted_cdf")
            assert each.coverage.median == pytest.approx(median, abs=0.001)
            assert sum(each.coverage.counts) == sum(each.confidence.counts) == present.sum()
        else:
            assert each.name == "tree"
            assert each.area.mean_where_present is each.mean_confidence is None


def test_genres_are_their_classes_together(figures: RunFigures) -> None:
    animal = next(each for each in figures.genres if each.genre == "animal")
    both = FRACTIONS[:, 1] + FRACTIONS[:, 2]
    assert animal.classes == ("dog", "cat")
    assert animal.area.pictures == (both > 0).sum()
    assert animal.area.mean_over_all_pictures == pytest.approx(both.mean())
    assert animal.area.mean_where_present == pytest.approx(both[both > 0].mean())
    assert sum(each.area.share_of_pixels for each in figures.genres) == pytest.approx(1)


def test_confidence_and_coverage_are_distributions_over_pictures(figures: RunFigures) -> None:
    confidence = [image.fractions() @ image.confidence for image in IMAGES.values()]
    coverage = 1 - FRACTIONS[:, 0]
    assert figures.coverage is not None
    for found, values in ((figures.confidence, confidence), (figures.coverage, coverage)):
        assert sum(found.counts) == len(IMAGES)
        for quantile, tenths in ((found.p10, 0.1), (found.median, 0.5), (found.p90, 0.9)):
            expected = np.quantile(values, tenths, method="inverted_cdf")
            assert quantile == pytest.approx(expected, abs=0.0011)


def test_classes_that_are_seen_together_are_counted(figures: RunFigures) -> None:
    together = figures.co_occurrence
    assert set(together.classes) == {"dog", "cat", "car"}
    present = FRACTIONS[:, [LABELS.names.index(name) for name in together.classes]] > 0
    np.testing.assert_array_equal(together.pictures, present.T.astype(int) @ present)
    assert np.all(np.diff(np.diagonal(together.pictures)) <= 0)


def test_how_far_pictures_were_reduced_is_binned(figures: RunFigures) -> None:
    scales = np.array([image.scale for image in IMAGES.values()])
    expected = [(scales == 1).sum(), ((scales >= 0.5) & (scales < 1)).sum(), 0, 0, 0]
    assert list(figures.scale.pictures) == [*expected, (scales < SCALE_STEPS[-1]).sum()]
    assert figures.scale.least == 0.02
    assert figures.scale.barely_seen == 0  # 64 pixels they never had


def test_of_failures_alone_there_is_nothing_else(tmp_path: Path) -> None:
    figures = figures_of(tmp_path, {}, FAILED)
    assert (figures.images, figures.masks, len(figures.failures)) == (9, 0, 2)
    assert all(each.area.pictures == 0 for each in figures.classes)
    assert figures.confidence.median is figures.scale.least is None


def test_pixels_without_a_class_are_of_none(tmp_path: Path) -> None:
    labels = np.repeat(np.array([0, 1, LABELS.ignore_label], np.uint8), [50, 30, 20])[None]
    nothing = np.full_like(labels, LABELS.ignore_label)
    images = {"a.png": labels, "b.png": nothing}
    confidence = (0.9,) * len(LABELS)
    figures = figures_of(
        tmp_path, {name: Labelled(each, confidence) for name, each in images.items()}, {}
    )
    assert figures.ignored == pytest.approx(0.6)
    assert figures.coverage is not None
    assert figures.coverage.p90 == pytest.approx(0.3, abs=0.001)
    assert figures.classes[0].area.share_of_pixels == pytest.approx(0.25)
