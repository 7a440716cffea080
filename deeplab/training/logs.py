"""What a training leaves to be looked at: scalars for TensorBoard, and a table."""

from __future__ import annotations

import csv
from pathlib import Path

import tensorflow as tf

from beam_deeplab.deeplab.labels import LabelSet
from beam_deeplab.deeplab.training.state import EpochRecord

_COLUMNS = (
    "epoch",
    "steps",
    "loss",
    "learning_rate",
    "miou",
    "pixel_accuracy",
    "seconds",
    "images_per_second",
)
_SCALAR = tf.compat.v1.SummaryMetadata(
    plugin_data={"plugin_name": "scalars"}, data_class="DATA_CLASS_SCALAR"
)


class TrainingLogs:
    """Writes every epoch to a folder for TensorBoard, and to a CSV file, anew with all epochs."""

    def __init__(self, folder: Path, table: Path, labels: LabelSet) -> None:
        self._writer = tf.summary.create_file_writer(str(folder))
        self._table = table
        self._names = labels.names

    def write(self, history: tuple[EpochRecord, ...]) -> None:
        """Writes the last epoch of a history to both."""
        self._write_scalars(history[-1])
        self.write_table(history)

    def write_table(self, history: tuple[EpochRecord, ...]) -> None:
        """Writes all epochs to the table, one of which a killed run may have left out."""
        pending = self._table.with_name(f".{self._table.name}")
        with pending.open("w", encoding="utf-8", newline="") as file:
            rows = csv.writer(file)
            rows.writerow([*_COLUMNS, *(f"iou_{name}" for name in self._names)])
            for record in history:
                scores = (record.iou.get(name) for name in self._names)
                rows.writerow([*(getattr(record, column) for column in _COLUMNS), *scores])
        pending.replace(self._table)

    def _write_scalars(self, record: EpochRecord) -> None:
        scalars = {column: getattr(record, column) for column in _COLUMNS[2:]}
        scalars |= {f"iou/{name}": record.iou.get(name) for name in self._names}
        with self._writer.as_default(step=record.steps):
            for name, value in scalars.items():
                if value is not None:
                    # tf.summary.scalar, which does the same, needs TensorBoard itself.
                    tf.summary.write(name, tf.constant(value, tf.float32), metadata=_SCALAR)
        self._writer.flush()
