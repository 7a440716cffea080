"""The interface of an engine, and the choice of one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from deeplab.models import ModelSpec


class Engine(Protocol):
    """A network at one input size, ready to run; threads may share it."""

    def __call__(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        """Computes logits.

        Args:
            images: float32 of shape [n, canvas height, canvas width, 3] in [-1, 1], n at
                least 1; padding is 0.

        Returns:
            float32 of shape [n, grid height, grid width, classes]; the grid's corners are the
            canvas's.
        """
        ...

    def close(self) -> None:
        """Frees the device; the engine cannot be called afterwards."""
        ...


def load_engine(model: ModelSpec, canvas: tuple[int, int], output_stride: int) -> Engine:
    """Loads a model's weights into an engine.

    Args:
        model: What to load.
        canvas: (height, width) of every batch.
        output_stride: Of the backbone, 8 or 16.

    Returns:
        The engine.

    Raises:
        deeplab.zoo.ModelNotFound: The weights are not where the model says.
        deeplab.checkpoints.CheckpointError: They are not what the model says.
    """
    from deeplab.engines.tensorflow_engine import TensorFlowEngine

    return TensorFlowEngine(model.load_network(output_stride), canvas)
