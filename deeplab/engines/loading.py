"""A model's weights in an engine on this machine."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from beam_deeplab.deeplab.engines.choice import choose_engine
from beam_deeplab.deeplab.engines.cores import available_cores
from beam_deeplab.deeplab.engines.interface import Engine

if TYPE_CHECKING:
    from beam_deeplab.deeplab.engines.openvino_engine import OpenVinoEngine
    from beam_deeplab.deeplab.engines.tensorflow_engine import TensorFlowEngine
    from beam_deeplab.deeplab.models import ModelSpec

_LOGGER = logging.getLogger(__name__)


def load_engine(
    model: ModelSpec,
    canvas: tuple[int, int],
    output_stride: int,
    engine: str = "auto",
    precision: str = "f32",
    *,
    threads: int | None = None,
    batch_size: int = 8,
) -> Engine:
    """Loads a model's weights into an engine on this machine.

    Args:
        model: What to load.
        canvas: (height, width) of every batch.
        output_stride: Of the backbone, 8 or 16.
        engine: As :func:`deeplab.engines.choose_engine`.
        precision: As :func:`deeplab.engines.choose_engine`.
        threads: Cores to compute on, where that is the CPU; None for all that this process may use.
            Several processes on one machine each need their share.
        batch_size: Of most batches: what a GPU is warmed up with. Other sizes work too.

    Raises:
        EngineError: This machine cannot run it.
        deeplab.zoo.ModelNotFound: The weights are not where the model says.
        deeplab.checkpoints.CheckpointError: They are not what the model says.
    """
    choice = choose_engine(engine, precision)
    threads = threads or available_cores()
    loaded: OpenVinoEngine | TensorFlowEngine
    if choice.name == "openvino":
        from beam_deeplab.deeplab.engines.openvino_engine import load_openvino_engine

        loaded = load_openvino_engine(model, canvas, output_stride, choice.precision, threads)
    else:
        from beam_deeplab.deeplab.quiet_tensorflow import import_tensorflow_quietly

        import_tensorflow_quietly()
        from beam_deeplab.deeplab.engines.tensorflow_engine import load_tensorflow_engine

        loaded = load_tensorflow_engine(
            model, canvas, output_stride, choice.precision, threads=threads, batch_size=batch_size
        )
    _LOGGER.info("%s at %s on %s", choice.name, choice.precision, loaded.device)
    return loaded
