"""Which variables of a checkpoint are the network's, and which only its training needed."""

from __future__ import annotations

import math
from collections.abc import Mapping

VARIABLE_KINDS = frozenset(
    {"weights", "depthwise_weights", "biases", "gamma", "beta", "moving_mean", "moving_variance"}
)
"""How the names of slim's variables end."""

_DEEPEST = 32


def without_training_state(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, tuple[int, ...]]:
    """Leaves out what optimizers, moving averages, schedules and loss scaling keep.

    Such state is told by its form, whatever wrote it: a single number that is no layer's
    (``global_step``, ``beta1_power``, ``loss_scale/good_steps``), or a name with that of a layer's
    variable inside (``aspp0/weights/Momentum``, ``training/Adam/aspp0/weights/m``).

    Args:
        shapes: Shape of each floating-point variable by name.
    """
    own = {name for name in shapes if name.rpartition("/")[2] in VARIABLE_KINDS}
    return {
        name: shape
        for name, shape in shapes.items()
        if not (_is_single_number(name, shape) or _holds_name_of_another(name, own))
    }


def _is_single_number(name: str, shape: tuple[int, ...]) -> bool:
    return math.prod(shape) == 1 and name.rpartition("/")[2] not in VARIABLE_KINDS


def _holds_name_of_another(name: str, names: set[str]) -> bool:
    parts = name.split("/")
    if len(parts) > _DEEPEST:
        return False
    inner = (
        "/".join(parts[start:end])
        for start in range(len(parts))
        for end in range(start + 2, len(parts) + 1)
        if end - start < len(parts)
    )
    return any(each in names for each in inner)
