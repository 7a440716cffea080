"""Which pictures are shown."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa

from beam_deeplab.pipeline.reports.run_report.samples import (
    A_CLASS,
    LEAST_SURE,
    Sample,
    choose_samples,
)
from beam_deeplab.pipeline.reports.run_report.scanning import compute_figures
from beam_deeplab.pipeline.reports.run_report.tables import open_tables
from tests.committed_runs import LABELS, random_images, write_photos, write_run

IMAGES = random_images(25)


def chosen(folder: Path, scores: pa.Table | None = None) -> dict[str, Sample]:
    write_photos(folder / "photos", IMAGES)
    manifest = write_run(folder / "run", folder / "photos", IMAGES)
    with open_tables((str(folder / "run"), manifest)) as (tables,):
        samples = choose_samples(tables, compute_figures(tables), None, scores)
    return {sample.name: sample for sample in samples}


def _names(sample: Sample) -> list[str]:
    return [uri.rpartition("/")[2] for uri, _ in sample.images]


def test_the_least_sure_and_some_of_each_class_are_shown(tmp_path: Path) -> None:
    samples = chosen(tmp_path)
    sure = {name: float(each.fractions() @ each.confidence) for name, each in IMAGES.items()}
    assert _names(samples["least-sure"]) == sorted(sure, key=lambda name: sure[name])[:LEAST_SURE]
    by_class = list(zip(_names(samples["by-class"]), samples["by-class"].images, strict=True))
    for label, class_name in enumerate(LABELS.names[:4]):
        shown = [name for name, (_, note) in by_class if note == class_name]
        assert len(set(shown)) == A_CLASS
        assert all(IMAGES[name].fractions()[label] >= 0.01 for name in shown)
    assert "tree" not in {note for _, note in samples["by-class"].images}
    assert chosen(tmp_path / "again").keys() == samples.keys()


def test_what_has_no_score_is_none_of_the_worst(tmp_path: Path) -> None:
    scored = {"image_uri": ["a", "b", "c"], "major_miou": [0.5, None, np.float64(0.25)]}
    furthest = chosen(tmp_path, pa.table(scored))["furthest"]
    assert furthest.images == (("c", "mIoU 0.250"), ("a", "mIoU 0.500"))
