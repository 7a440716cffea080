"""Which engine at which precision; decided once, by whoever launches a run."""

from __future__ import annotations

import logging
import os
from functools import cache
from pathlib import Path
from typing import NamedTuple

from beam_deeplab.deeplab.engines.interface import EngineError
from beam_deeplab.deeplab.quiet_tensorflow import import_tensorflow_quietly

_LOGGER = logging.getLogger(__name__)

ENGINES = ("auto", "tensorflow", "openvino")
"""What ``--engine`` takes."""

PRECISIONS = ("f32", "bf16", "f16", "int8")
"""What ``--precision`` takes."""

_GPU_DEVICES = tuple(Path("/dev", name) for name in ("nvidiactl", "nvidia0", "kfd", "dxg"))
"""Device files of NVIDIA's and AMD's drivers, and of a GPU under WSL."""


class EngineChoice(NamedTuple):
    """What computes the logits.

    Attributes:
        name: ``tensorflow`` or ``openvino``.
        precision: ``f32``, ``bf16``, ``f16`` or ``int8``: of the arithmetic; logits are always
            float32.
        needs_gpu: Whether a machine without a GPU shall fail instead of computing on its CPU.
    """

    name: str
    precision: str
    needs_gpu: bool = False


def choose_engine(
    engine: str = "auto", precision: str = "f32", *, gpu: bool | None = None
) -> EngineChoice:
    """Settles which engine a run takes, and says so in the log.

    Costs nothing where there is no GPU; where there may be one, TensorFlow is asked.

    Args:
        engine: One of :data:`ENGINES`; ``auto`` takes TensorFlow where there is a GPU, which it is
            much faster on, else OpenVINO, which is faster on CPUs.
        precision: One of :data:`PRECISIONS`.
        gpu: Whether the workers have a GPU; None if they run on this machine.

    Raises:
        EngineError: They cannot be had together.
    """
    if engine not in ENGINES:
        raise EngineError(f"there is no engine {engine!r}: {_alternatives(ENGINES)}")
    if precision not in PRECISIONS:
        raise EngineError(f"there is no precision {precision!r}: {_alternatives(PRECISIONS)}")
    if precision == "int8":
        if engine == "tensorflow":
            raise EngineError("8-bit networks are OpenVINO's: take the engine openvino or auto")
        return EngineChoice("openvino", precision)
    if gpu is None and (engine == "auto" or (engine == "tensorflow" and precision != "f32")):
        gpu = has_gpu()
    if engine == "auto":
        engine = "tensorflow" if gpu else "openvino"
        _LOGGER.info("The engine is %s, since there is %s GPU", engine, "a" if gpu else "no")
    if engine == "tensorflow" and precision != "f32" and not gpu:
        raise EngineError(
            f"TensorFlow computes in {precision} on GPUs only, and there is none: "
            "take the engine openvino, or f32"
        )
    return EngineChoice(engine, precision)


def check_engine(choice: EngineChoice) -> None:
    """Makes sure that this machine can run an engine.

    Raises:
        EngineError: It cannot.
    """
    if choice.name == "openvino":
        from beam_deeplab.deeplab.engines.openvino_engine import check_precision

        check_precision(choice.precision)
    else:
        choose_engine(choice.name, choice.precision)


def check_gpu() -> None:
    """Makes sure that this machine computes on a GPU.

    Raises:
        EngineError: It cannot.
    """
    if not has_gpu():
        raise EngineError(
            "this worker was to have a GPU, and TensorFlow finds none: give it a driver and an "
            "image with CUDA, or compute on its CPU with --allow_cpu"
        )


@cache
def has_gpu() -> bool:
    """Whether TensorFlow has a GPU here; asks it only where a driver is installed."""
    if os.environ.get("CUDA_VISIBLE_DEVICES", "unset").strip() in ("", "-1"):
        return False
    if not any(device.exists() for device in _GPU_DEVICES):
        return False
    import_tensorflow_quietly()
    import tensorflow as tf

    found = bool(tf.config.list_physical_devices("GPU"))
    if not found:
        _LOGGER.warning(
            "This machine has a GPU, but TensorFlow finds none: install tensorflow[and-cuda]"
        )
    return found


def _alternatives(names: tuple[str, ...]) -> str:
    return f"take {', '.join(names[:-1])} or {names[-1]}"
