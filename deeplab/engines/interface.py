"""What every engine is: logits of a batch of images, and the error of one that cannot be had."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class EngineError(ValueError):
    """An engine that cannot be had as asked; the message is one line that says what to do."""


class Engine(Protocol):
    """A network at one input size, ready to run; threads may share it and call it at once."""

    def __call__(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        """Computes logits.

        Args:
            images: float32 of shape [n, canvas height, canvas width, 3] in [-1, 1], n at
                least 1; padding is 0.

        Returns:
            float32 of shape [n, grid height, grid width, classes]; the grid's corners are the
            canvas's.
        """

    def close(self) -> None:
        """Frees the device; the engine cannot be called afterwards."""
