from __future__ import annotations

import csv
from pathlib import Path

import pytest

from beam_deeplab.deeplab.labels import LabelSet
from tests.deeplab.training.test_state import record

LABELS = LabelSet("two", ("a", "b"), ((0, 0, 0), (1, 1, 1)))


def _scalars(folder: Path) -> dict[tuple[str, int], float]:
    import tensorflow as tf

    found = {}
    for file in folder.iterdir():
        for example in tf.data.TFRecordDataset(str(file)):
            event = tf.compat.v1.Event.FromString(example.numpy())
            for value in event.summary.value:
                assert value.metadata.plugin_data.plugin_name in ("scalars", "")
                found[value.tag, event.step] = float(tf.make_ndarray(value.tensor))
    return found


def test_every_epoch_is_in_both_logs(tmp_path: Path) -> None:
    from beam_deeplab.deeplab.training.logs import TrainingLogs

    logs = TrainingLogs(tmp_path / "logs", tmp_path / "history.csv", LABELS)
    history = (record(1, 0.25), record(2, None))
    for epochs in (1, 2):
        logs.write(history[:epochs])
    rows = list(csv.DictReader((tmp_path / "history.csv").open(encoding="utf-8")))
    assert [row["epoch"] for row in rows] == ["1", "2"]
    assert (rows[0]["miou"], rows[0]["iou_a"], rows[0]["iou_b"]) == ("0.25", "0.25", "")
    assert (rows[1]["steps"], rows[1]["miou"], rows[1]["iou_a"]) == ("20", "", "")
    scalars = _scalars(tmp_path / "logs")
    assert scalars["miou", 10] == 0.25
    assert scalars["iou/a", 10] == 0.25
    assert scalars["loss", 20] == 0.5
    assert scalars["learning_rate", 20] == pytest.approx(0.01)
    assert ("miou", 20) not in scalars
    assert ("iou/b", 10) not in scalars


def test_a_table_can_be_made_good(tmp_path: Path) -> None:
    from beam_deeplab.deeplab.training.logs import TrainingLogs

    logs = TrainingLogs(tmp_path / "logs", tmp_path / "history.csv", LABELS)
    logs.write_table((record(1, 0.1), record(2, 0.2), record(3, 0.3)))
    lines = (tmp_path / "history.csv").read_text("utf-8").splitlines()
    assert [line.partition(",")[0] for line in lines] == ["epoch", "1", "2", "3"]
