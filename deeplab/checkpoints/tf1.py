"""TF1 checkpoints in the tensor-bundle format (``*.index`` and ``*.data-*``)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from beam_deeplab.deeplab.checkpoints.files import CheckpointError

_OBJECT_GRAPH = "_CHECKPOINTABLE_OBJECT_GRAPH"
# The reader turns only some of its failures into TensorFlow's own errors.
_READING_ERRORS = (tf.errors.OpError, IndexError, RuntimeError, ValueError)


def open_tf1(
    prefix: Path,
) -> tuple[Mapping[str, tuple[int, ...]], Callable[[str], NDArray[np.float32]]]:
    """Opens a checkpoint that ``tf.compat.v1.train.Saver`` wrote.

    Args:
        prefix: Its path without ``.index``.

    Returns:
        The shapes by variable name, and a function that reads one variable.

    Raises:
        CheckpointError: The files are damaged, or hold objects instead of named variables.
    """
    try:
        reader = tf.train.load_checkpoint(str(prefix))
        shapes = reader.get_variable_to_shape_map()
    except _READING_ERRORS as error:
        raise CheckpointError(f"{prefix}.index cannot be read: {_first_line(error)}") from error
    if _OBJECT_GRAPH in shapes:
        raise CheckpointError(
            f"{prefix} is a TF2 object checkpoint; give one with TF1's variable names"
        )

    def read(name: str) -> NDArray[np.float32]:
        try:
            return np.asarray(reader.get_tensor(name), np.float32)
        except _READING_ERRORS as error:
            raise CheckpointError(
                f"{name} of {prefix} cannot be read: {_first_line(error)}"
            ) from error

    return {name: tuple(shape) for name, shape in shapes.items()}, read


def _first_line(error: Exception) -> str:
    return str(getattr(error, "message", error)).partition("\n")[0]
