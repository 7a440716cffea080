"""Many variables as one long vector, so that an optimizer updates them in one operation.

A small network has some two hundred variables, and an optimizer a dozen operations for each: on a
CPU their overhead takes as long as the arithmetic of a step on small pictures.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from beam_deeplab.deeplab.architecture.layers import Tensor


class FlatVariables:
    """A vector beside the variables, at least one, whose values it holds one after the other.

    Attributes:
        vector: float32 of shape [all elements]; starts with the variables' values.
    """

    def __init__(self, variables: Mapping[str, keras.Variable], name: str) -> None:
        self._variables = dict(variables)
        self._shapes = [tuple(variable.shape) for variable in self._variables.values()]
        self._sizes = [int(np.prod(shape)) for shape in self._shapes]
        self.vector = keras.Variable(self._concatenated(), name=name)

    @property
    def names(self) -> tuple[str, ...]:
        """The variables' names, in the vector's order."""
        return tuple(self._variables)

    def flatten(self, tensors: Sequence[Tensor]) -> Tensor:
        """Tensors of the variables' shapes, such as gradients, as one vector."""
        return tf.concat([tf.reshape(tensor, [-1]) for tensor in tensors], axis=0)

    def spread(self, vector: Tensor) -> None:
        """Gives the variables the values of a vector."""
        parts = tf.split(vector, self._sizes)
        for variable, part, shape in zip(
            self._variables.values(), parts, self._shapes, strict=True
        ):
            variable.assign(tf.reshape(part, shape))

    def current(self) -> Tensor:
        """The variables' values, as a vector."""
        return self.flatten([variable.value for variable in self._variables.values()])

    def refresh(self) -> None:
        """Takes the variables' values over into the vector, after they were set from outside."""
        self.vector.assign(self._concatenated())

    def _concatenated(self) -> NDArray[np.float32]:
        return np.concatenate(
            [np.asarray(v.numpy(), np.float32).ravel() for v in self._variables.values()]
        )
