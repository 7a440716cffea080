"""What differs between two runs, against the label maps that they are made of."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from beam_deeplab.deeplab.labels import LabelSet
from beam_deeplab.pipeline.reports.run_report.drift import Drift, compute_drift
from beam_deeplab.pipeline.reports.run_report.scanning import compute_figures
from beam_deeplab.pipeline.reports.run_report.tables import open_tables
from beam_deeplab.transforms.records import FailureCode
from tests.committed_runs import LABELS, random_images, write_photos, write_run

BEFORE = random_images(30)
NEW = {name: replace(image, labels=image.labels) for name, image in BEFORE.items()}
AFTER = {**NEW, "000.png": replace(BEFORE["000.png"], labels=np.full((20, 400), 3, np.uint8))}
AFTER["001.png"] = replace(BEFORE["001.png"], labels=BEFORE["001.png"].labels.copy())
AFTER["001.png"].labels[:, :100] = 4
LOST = "005.png"
OTHER = LabelSet("other", (*LABELS.names[:3], "bus", "tree"), LABELS.palette)


def drift_of(folder: Path, labels: LabelSet = LABELS) -> Drift:
    photos = folder / "photos"
    write_photos(photos, BEFORE)
    after = {name: image for name, image in AFTER.items() if name != LOST}
    now = write_run(folder / "now", photos, after, {LOST: FailureCode.CORRUPT}, labels)
    before = write_run(folder / "before", photos, BEFORE, {"more.png": FailureCode.NOT_FOUND})
    runs = (str(folder / "now"), now), (str(folder / "before"), before)
    with open_tables(*runs) as (tables, others):
        return compute_drift(tables, compute_figures(tables), others, compute_figures(others))


def test_what_changed_is_told_image_by_image_and_class_by_class(tmp_path: Path) -> None:
    drift = drift_of(tmp_path)
    assert (drift.images_before, drift.images_after) == (31, 30)
    assert (drift.common, drift.newly_failed, drift.newly_done) == (29, 1, 0)
    assert drift.same_options
    changes = {
        name: np.abs(AFTER[name].fractions() - BEFORE[name].fractions()).sum() / 2
        for name in ("000.png", "001.png")
    }
    found = {each.image_uri.rpartition("/")[2]: each.change for each in drift.most_changed}
    assert found == pytest.approx(changes)
    assert list(found.values()) == sorted(found.values(), reverse=True)
    assert (sum(drift.change.counts), drift.change.median) == (29, 0.0005)
    kept = [name for name in BEFORE if name != LOST]
    before = np.mean([image.fractions() for image in BEFORE.values()], axis=0)
    after = np.mean([AFTER[name].fractions() for name in kept], axis=0)
    for each in drift.classes:
        label = LABELS.names.index(each.name)
        assert each.before == pytest.approx(before[label])
        assert each.after == pytest.approx(after[label])
    sizes = [abs(each.change) for each in drift.classes]
    assert sizes == sorted(sizes, reverse=True)


def test_classes_of_another_model_meet_by_their_names(tmp_path: Path) -> None:
    drift = drift_of(tmp_path, OTHER)
    classes = {each.name: each for each in drift.classes}
    assert classes["bus"].before is classes["car"].after is None
    assert classes["dog"].before is not None
    assert len(drift.most_changed) > 2  # what was a car is a bus
