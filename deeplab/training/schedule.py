"""The poly learning-rate schedule."""

from __future__ import annotations

import tensorflow as tf

from beam_deeplab.deeplab.architecture.layers import Tensor
from beam_deeplab.deeplab.training.config import OptimizerConfig


def poly_rate(step: Tensor, steps: int, config: OptimizerConfig) -> Tensor:
    """The learning rate of a step.

    Args:
        step: Number of the step, from 0.
        steps: How many there are.
        config: Rate, power and warm-up.

    Returns:
        float32: ``learning_rate * (1 - step / steps) ** power`` (DeepLab, section 4.1; official
        ``train_utils.get_model_learning_rate``), times ``(step + 1) / warmup_steps`` during the
        warm-up.
    """
    step = tf.cast(step, tf.float32)
    rate = config.learning_rate * (1 - tf.minimum(step / steps, 1.0)) ** config.power
    if config.warmup_steps:
        rate *= tf.minimum((step + 1) / config.warmup_steps, 1.0)
    return rate
