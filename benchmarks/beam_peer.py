"""The peer on Beam: stock RunInference with Beam's own TensorFlow handler.

``TFModelHandlerNumpy`` inside ``KeyedModelHandler``, as Beam's documentation has it: the model
comes from ``create_model_fn`` and Keras weights, batches hold 8 images, and the handler calls
the Keras model. Decoding with Pillow and the outputs (:mod:`benchmarks.outputs`) are one
``beam.Map`` each. It runs on the FnApiRunner, in memory, with one worker thread a core, as ours
does.

Beam's module imports ``tensorflow_hub``, which it needs only to resolve URLs of saved models and
which does not install beside this TensorFlow: an empty module of that name stands in for it.

As for ours, the clock starts when the first photo is read, with the model loaded, and stops when
the last output is written.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
import types
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import apache_beam as beam
import numpy as np
from apache_beam.ml.inference.base import KeyedModelHandler, RunInference
from apache_beam.options.pipeline_options import PipelineOptions
from numpy.typing import NDArray

from benchmarks.official import labels_by_tensorflow, normalised
from benchmarks.outputs import PeerOutput
from benchmarks.peers import BATCH_SIZE, decode_and_fit, load_keras_network

Keyed = tuple[tuple[str, tuple[int, int], tuple[int, int]], NDArray[np.float32]]

_first_read: list[float] = []
_output: PeerOutput | None = None


class StockRunInference:
    """The pipeline, built anew for each run.

    Args:
        model: The checkpoint.
        palette: 768 bytes.
        warm_up: A photo like those to come.
        workspace: Where the Keras weights and the first run's output may be written.
    """

    def __init__(self, model: Path, palette: bytes, warm_up: Path, workspace: Path) -> None:
        sys.modules["tensorflow_hub"] = types.ModuleType("tensorflow_hub")
        self._palette = palette
        self._model = model
        self._weights = workspace / "stock-run-inference.weights.h5"
        load_keras_network(model).save_weights(self._weights)
        with tempfile.TemporaryDirectory(dir=workspace) as folder:
            self.run([warm_up] * BATCH_SIZE, Path(folder) / "warm-up")

    def run(self, photos: Sequence[Path], folder: Path) -> float:
        """Seconds for these photos."""
        from apache_beam.ml.inference.tensorflow_inference import ModelType, TFModelHandlerNumpy

        global _output  # noqa: PLW0603 - worker threads find it there
        _output = PeerOutput(folder, self._palette)
        _first_read.clear()
        model = self._model
        handler = TFModelHandlerNumpy(
            model_uri=str(self._weights),
            model_type=ModelType.SAVED_WEIGHTS,
            create_model_fn=lambda: load_keras_network(model),
            min_batch_size=BATCH_SIZE,
            max_batch_size=BATCH_SIZE,
        )
        workers = len(os.sched_getaffinity(0))
        flags = ["--runner=FnApiRunner", "--direct_running_mode=in_memory"]
        options = PipelineOptions([*flags, f"--direct_num_workers={workers}"])
        with beam.Pipeline(options=options) as pipeline:
            _ = (
                pipeline
                | beam.Create([str(photo) for photo in photos])
                | beam.Reshuffle()
                | "Decode" >> beam.Map(_decode)
                | RunInference(KeyedModelHandler(handler))
                | "Write" >> beam.Map(_write)
            )
        seconds = time.perf_counter() - _first_read[0]
        _output.close()
        return seconds


def _decode(path: str) -> Keyed:
    _first_read.append(time.perf_counter())
    pixels, original = decode_and_fit(Path(path))
    height, width, _ = pixels.shape
    return (path, (height, width), original), normalised(pixels)


def _write(row: tuple[Any, Any]) -> None:
    (path, content, original), prediction = row
    assert _output is not None  # set before the pipeline runs
    logits = np.asarray(prediction.inference)
    _output.write(Path(path), labels_by_tensorflow(logits, content, original))
