"""One step of training: gradients, the optimizer, the moving average of weights."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from beam_deeplab.deeplab.architecture.layers import Tensor, official_variables
from beam_deeplab.deeplab.training.config import OptimizerConfig, TrainingConfig
from beam_deeplab.deeplab.training.flat_variables import FlatVariables
from beam_deeplab.deeplab.training.loss import confusion, segmentation_loss
from beam_deeplab.deeplab.training.state import StateError
from beam_deeplab.deeplab.training.twin import training_twin

_NORMALISED = ("gamma", "beta")
_STATISTICS = ("moving_mean", "moving_variance")
_DECAYED = "weights"
"""Last part of the names of the kernels that decay; depthwise ones do not (official
``mobilenet_v2.training_scope``, ``regularize_depthwise=False``)."""


class PolyRate(keras.optimizers.schedules.LearningRateSchedule):
    """The poly learning-rate schedule.

    Args:
        steps: How many there are.
        config: Rate, power and warm-up.
    """

    def __init__(self, steps: int, config: OptimizerConfig) -> None:
        self._steps = steps
        self._config = config

    def __call__(self, step: Tensor) -> Tensor:
        """The rate at a step, counted from 0.

        Returns:
            float32: ``learning_rate * (1 - step / steps) ** power`` (DeepLab, section 4.1; official
            ``train_utils.get_model_learning_rate``), times ``(step + 1) / warmup_steps`` during
            the warm-up.
        """
        config, step = self._config, tf.cast(step, tf.float32)
        rate = config.learning_rate * (1 - tf.minimum(step / self._steps, 1.0)) ** config.power
        if config.warmup_steps:
            rate *= tf.minimum((step + 1) / config.warmup_steps, 1.0)
        return rate


class TrainingStep:
    """Changes a network's weights by one batch.

    Args:
        network: Of a fixed input size.
        config: The optimizer.
        class_weights: One a class.
        steps: How many steps the training has.
    """

    def __init__(
        self,
        network: keras.Model,
        config: TrainingConfig,
        class_weights: Sequence[float],
        steps: int,
    ) -> None:
        settings = config.optimizer
        self._settings = settings
        self._class_weights = tuple(class_weights)
        frozen = settings.batch_norm == "frozen"
        self._network_variables = official_variables(network)
        fixed = _STATISTICS + (_NORMALISED if frozen else ())
        self._trained = {
            name: variable
            for name, variable in self._network_variables.items()
            if name.rpartition("/")[2] not in fixed
        }
        self._twins = {
            size: training_twin(
                network,
                size,
                batch_norm_momentum=settings.batch_norm_momentum,
                batch_norm_frozen=frozen,
            )
            for size in {config.input.canvas, config.input.crop or config.input.canvas}
        }
        decayed = {name: v for name, v in self._trained.items() if _decays(name)}
        spared = {name: v for name, v in self._trained.items() if not _decays(name)}
        still = {n: v for n, v in self._network_variables.items() if n not in self._trained}
        self._decayed = FlatVariables(decayed, "decayed")
        self._spared = FlatVariables(spared, "spared")
        self._still = FlatVariables(still, "still")
        self._optimizer = _optimizer(settings, steps)
        if settings.name == "adamw":
            self._optimizer.exclude_from_weight_decay(var_list=[self._spared.vector])
        self._optimizer.build([self._decayed.vector, self._spared.vector])
        flats = () if settings.ema is None else (self._decayed, self._spared, self._still)
        self._averages = [(flat, tf.Variable(flat.vector.value, trainable=False)) for flat in flats]
        self._run = tf.function(self._step)
        self._count = tf.function(self._confusion)

    @property
    def learning_rate(self) -> float:
        """Of the next step."""
        return float(self._optimizer.learning_rate)

    def __call__(self, images: Tensor, truth: Tensor) -> float:
        """Trains on one batch; returns its loss."""
        return float(self._run(images, truth))

    def confusion(self, images: Tensor, truth: Tensor) -> NDArray[np.int64]:
        """Confusion matrix of a batch in inference; see :func:`deeplab.training.loss.confusion`."""
        counts: NDArray[np.int64] = self._count(images, truth).numpy()
        return counts

    @contextlib.contextmanager
    def averaged(self) -> Iterator[None]:
        """Within it the network has the moving averages for weights, if there are such."""
        weights = [flat.current() for flat, _ in self._averages]
        for flat, average in self._averages:
            flat.spread(average)
        try:
            yield
        finally:
            for (flat, _), values in zip(self._averages, weights, strict=True):
                flat.spread(values)

    def state(self) -> dict[str, NDArray[np.generic]]:
        """Everything that the next step depends on, by name."""
        return {name: np.asarray(variable.numpy()) for name, variable in self._state().items()}

    def restore(self, state: Mapping[str, NDArray[np.generic]]) -> None:
        """Takes back a :meth:`state`.

        Raises:
            StateError: It is of another network or optimizer.
        """
        variables = self._state()
        shapes = {name: tuple(variable.shape) for name, variable in variables.items()}
        if shapes != {name: tensor.shape for name, tensor in state.items()}:
            raise StateError(
                "the training's state is of another network or optimizer than this version "
                "builds for its configuration: start anew with --overwrite"
            )
        for name, variable in variables.items():
            variable.assign(state[name])
        self._decayed.refresh()
        self._spared.refresh()

    def _state(self) -> dict[str, keras.Variable | tf.Variable]:
        return {
            **{f"network/{name}": v for name, v in self._network_variables.items()},
            # Keras numbers the paths of these anew for every optimizer of a process.
            **{f"optimizer/{i}": v for i, v in enumerate(self._optimizer.variables)},
            **{f"average/{flat.vector.name}": average for flat, average in self._averages},
        }

    def _step(self, images: Tensor, truth: Tensor) -> Tensor:
        flats = (self._decayed, self._spared)
        values = [[self._trained[name].value for name in flat.names] for flat in flats]
        with tf.GradientTape() as tape:
            logits = self._twin(images)(images, training=True)
            loss = segmentation_loss(logits, truth, self._class_weights, self._settings.loss_stride)
        gradients = [
            flat.flatten(own) for flat, own in zip(flats, tape.gradient(loss, values), strict=True)
        ]
        if self._settings.name == "sgd" and self._settings.weight_decay:
            gradients[0] += self._settings.weight_decay * self._decayed.vector.value
        self._optimizer.apply(gradients)
        for flat in flats:
            flat.spread(flat.vector.value)
        self._update_averages()
        return loss

    def _update_averages(self) -> None:
        if self._settings.ema is None:
            return
        step = tf.cast(self._optimizer.iterations.value, tf.float32)
        # The first weights should not linger (as tf.train.ExponentialMovingAverage does it).
        kept = tf.minimum(self._settings.ema, (1 + step) / (10 + step))
        for flat, average in self._averages:
            average.assign(average + (flat.current() - average) * (1 - kept))

    def _twin(self, images: Tensor) -> keras.Model:
        return self._twins[tuple(images.shape[1:3])]

    def _confusion(self, images: Tensor, truth: Tensor) -> Tensor:
        return confusion(self._twin(images)(images, training=False), truth)


def _decays(name: str) -> bool:
    return name.rpartition("/")[2] == _DECAYED


def _optimizer(settings: OptimizerConfig, steps: int) -> keras.optimizers.Optimizer:
    rate = PolyRate(steps, settings)
    if settings.name == "adamw":
        return keras.optimizers.AdamW(
            rate, weight_decay=settings.weight_decay, global_clipnorm=settings.clip_norm
        )
    return keras.optimizers.SGD(
        rate, momentum=settings.momentum, global_clipnorm=settings.clip_norm
    )
