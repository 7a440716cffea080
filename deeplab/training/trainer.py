"""The training loop: epochs of steps, validation, the best model, the state to resume from."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import keras
import numpy as np
import tensorflow as tf

from beam_deeplab.deeplab.architecture import DeepLabConfig
from beam_deeplab.deeplab.checkpoints.own import save_network
from beam_deeplab.deeplab.labels import LabelSet
from beam_deeplab.deeplab.training.config import TrainingConfig
from beam_deeplab.deeplab.training.input_pipeline import (
    steps_an_epoch,
    training_batches,
    validation_batches,
)
from beam_deeplab.deeplab.training.logs import TrainingLogs
from beam_deeplab.deeplab.training.samples import Samples
from beam_deeplab.deeplab.training.starting import start_network
from beam_deeplab.deeplab.training.state import (
    EpochRecord,
    TrainingState,
    best_epoch,
    check_same,
    read_state,
    write_state,
)
from beam_deeplab.deeplab.training.step import TrainingStep
from beam_deeplab.deeplab.truth.scores import class_iou, known_mean, pixel_accuracy

CHECKPOINT_FOLDER = "checkpoint"
MODEL_FOLDER = "model"
LOGS_FOLDER = "logs"
HISTORY_FILE = "history.csv"

_MOST_WEIGHT = 10.0

StartedNetwork: TypeAlias = tuple[keras.Model, DeepLabConfig]
"""A network with its first weights, and what it is made of."""


class TrainingError(RuntimeError):
    """A training that cannot go on; the message says what to do."""


@dataclass(frozen=True, slots=True)
class TrainingData:
    """What is trained on.

    Attributes:
        training: The pictures to learn from, at least one.
        validation: Those to be scored with; may be empty.
        labels: The classes.
        class_pixels: Pixels of each class in the training truth.
        identity: What a resumed training must have in common with this one
            (:func:`deeplab.training.state.identify`).
    """

    training: Samples
    validation: Samples
    labels: LabelSet
    class_pixels: Sequence[int]
    identity: Mapping[str, Any]


class Watcher(Protocol):
    """Is told how far a training is."""

    def began(self, steps: int, done: int, history: tuple[EpochRecord, ...], epochs: int) -> None:
        """Before the first step: all steps, and those that an earlier run did in its epochs."""

    def stepped(self, loss: float, pictures: int) -> None:
        """After each step."""

    def validated(self, record: EpochRecord) -> None:
        """After each epoch."""


def prepare_network(config: TrainingConfig, num_classes: int) -> StartedNetwork:
    """Builds the network and gives it its first weights; writes nothing.

    Raises what :func:`deeplab.training.starting.start_network` does.
    """
    tf.config.experimental.enable_op_determinism()
    return start_network(config.model, num_classes, config.input.canvas, config.optimizer.seed)


def train(
    config: TrainingConfig,
    data: TrainingData,
    started: StartedNetwork,
    output: Path,
    watcher: Watcher,
) -> tuple[EpochRecord, ...]:
    """Trains a network, or goes on where an earlier run of the same training ended.

    Order and views of the pictures derive from (seed, epoch, picture) only, and the state is
    written at the end of every epoch, so that a training which was killed gives the weights of one
    that was not.

    Args:
        config: What to do.
        data: The pictures, already checked.
        started: What :func:`prepare_network` gave.
        output: Folder for ``model/`` (the best weights, as ``--model`` takes them),
            ``checkpoint/``, ``logs/`` and ``history.csv``.
        watcher: Is told of every step.

    Raises:
        deeplab.training.state.StateError: The state in ``output`` is of another training.
        TrainingError: The loss is no longer finite.
    """
    settings = config.optimizer
    state = read_state(output / CHECKPOINT_FOLDER)
    if state is not None:
        check_same(state.identity, data.identity)
    keras.utils.set_random_seed(settings.seed)
    network, described = started
    steps = steps_an_epoch(len(data.training), settings.batch_size)
    step = TrainingStep(
        network, config, class_weights(config, data.class_pixels), steps * settings.epochs
    )
    logs = TrainingLogs(output / LOGS_FOLDER, output / HISTORY_FILE, data.labels)
    history: tuple[EpochRecord, ...] = ()
    if state is not None:
        step.restore(state.tensors)
        history = state.history
        logs.write_table(history)
    watcher.began(steps * settings.epochs, steps * len(history), history, settings.epochs)
    while len(history) < settings.epochs and not is_over(config, history):
        try:
            record = _epoch(config, data, step, len(history), watcher)
        except tf.errors.OpError as error:
            raise TrainingError(_reason(error)) from error
        history = (*history, record)
        if best_epoch(history) is record:
            with step.averaged():
                folder = output / MODEL_FOLDER
                save_network(network, described, folder, data.labels, config.input.canvas)
        state = TrainingState(step.state(), data.identity, history)
        write_state(output / CHECKPOINT_FOLDER, state)
        logs.write(history)
        watcher.validated(record)
    return history


def is_over(config: TrainingConfig, history: tuple[EpochRecord, ...]) -> bool:
    """Whether validation has not got better for so long that the training stops early."""
    patience = config.stopping.patience
    if patience is None or not history or history[-1].miou is None:
        return False
    return history[-1].epoch - best_epoch(history).epoch >= patience


def class_weights(config: TrainingConfig, class_pixels: Sequence[int]) -> list[float]:
    """The weight of each class in the loss, as configured.

    ``balanced`` gives median frequency over frequency (Eigen and Fergus, 2015, section 6.3.2),
    at most 10; a class that never occurs gets 1.
    """
    weights = config.optimizer.class_weights
    if weights is None:
        return [1.0] * len(class_pixels)
    if weights != "balanced":
        return list(weights)
    pixels = np.asarray(class_pixels, np.float64)
    median = np.median(pixels[pixels > 0])
    return [min(median / count, _MOST_WEIGHT) if count else 1.0 for count in pixels]


def _epoch(
    config: TrainingConfig,
    data: TrainingData,
    step: TrainingStep,
    epoch: int,
    watcher: Watcher,
) -> EpochRecord:
    began = time.monotonic()
    losses: list[float] = []
    pictures = 0
    rate = step.learning_rate
    for images, truth in training_batches(data.training, config, epoch):
        rate = step.learning_rate
        loss = step(images, truth)
        if not math.isfinite(loss):
            raise TrainingError(
                f"the loss is {loss} in epoch {epoch + 1}: lower [optimizer] learning_rate, or "
                "set warmup_steps or clip_norm"
            )
        losses.append(loss)
        pictures += len(images)
        watcher.stepped(loss, len(images))
    trained = time.monotonic()
    miou, accuracy, iou = _validate(config, data, step)
    steps = steps_an_epoch(len(data.training), config.optimizer.batch_size)
    return EpochRecord(
        epoch=epoch + 1,
        steps=steps * (epoch + 1),
        loss=float(np.mean(losses)),
        learning_rate=rate,
        miou=miou,
        pixel_accuracy=accuracy,
        iou=iou,
        seconds=time.monotonic() - began,
        images_per_second=pictures / (trained - began),
    )


def _validate(
    config: TrainingConfig, data: TrainingData, step: TrainingStep
) -> tuple[float | None, float | None, dict[str, float | None]]:
    if not len(data.validation):
        return None, None, {}
    counts = np.zeros((len(data.labels),) * 2, np.int64)
    batches = validation_batches(data.validation, config.input.canvas, config.optimizer.batch_size)
    with step.averaged():
        for images, truth in batches:
            counts += step.confusion(images, truth)
    scores = class_iou(counts)
    iou = {
        name: float(score) if math.isfinite(score) else None
        for name, score in zip(data.labels.names, scores, strict=True)
    }
    return known_mean(scores), pixel_accuracy(counts), iou


def _reason(error: tf.errors.OpError) -> str:
    """What Python raised inside of TensorFlow, or else what TensorFlow says first."""
    message = str(error.message)
    raised = re.findall(r"^[\w.]*Error: (.*)$", message, re.MULTILINE)
    return raised[-1] if raised else message.partition("\n")[0]
