"""OpenVINO on the CPU: one stream a core, one image a stream.

Batches are spread over streams instead of being computed as one. MobileNet-v2 at 513 x 513 on two
cores: 48 images/s one by one on two streams of one thread each, against 38 in batches of 8 on one
stream of two threads; in bfloat16 101 against 66. And no batch size needs another compilation.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import openvino as ov
from numpy.typing import NDArray

from beam_deeplab.deeplab.derived_cache import code_digest, derived_entry, load_or_make
from beam_deeplab.deeplab.engines.interface import EngineError
from beam_deeplab.deeplab.engines.packing import IR_NAME, read_packed
from beam_deeplab.deeplab.quiet_tensorflow import import_tensorflow_quietly

if TYPE_CHECKING:
    from beam_deeplab.deeplab.models import ModelSpec
    from beam_deeplab.deeplab.zoo.cache import CacheEntry

_CAPABILITIES = {"f32": "FP32", "bf16": "BF16", "f16": "FP16", "int8": "INT8"}
_ELEMENT_TYPES = {
    "f32": ov.Type.f32,
    "bf16": ov.Type.bf16,
    "f16": ov.Type.f16,
    "int8": ov.Type.f32,  # of what is not quantized
}
Restored = TypeVar("Restored")

_FIRST_INFERENCE = threading.Lock()
"""OpenVINO's Python bindings (2026.4) can deadlock where two threads of a process pass their
first arrays at the same time: a static of theirs is initialised without the interpreter's lock."""


class OpenVinoEngine:
    """A compiled network and a pool of infer requests.

    Args:
        compiled: A network for one image, [1, height, width, 3] to logits.
        threads: Its streams.

    Attributes:
        device: What computes, for people.
    """

    def __init__(self, compiled: ov.CompiledModel, threads: int) -> None:
        self.device = f"{cpu_name()}, {threads} stream{'s' * (threads > 1)}"
        self._compiled: ov.CompiledModel | None = compiled
        self._input_shape = tuple(compiled.input(0).shape)
        self._output_shape = tuple(compiled.output(0).shape)
        self._of_thread = threading.local()
        # One request more than streams waits in line, so that no stream waits for Python.
        self._pool = ThreadPoolExecutor(threads + 1, thread_name_prefix="openvino")
        with _FIRST_INFERENCE:
            self(np.zeros(self._input_shape, np.float32))

    def __call__(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        """Computes logits; see :class:`deeplab.engines.Engine`."""
        if images.shape[1:] != self._input_shape[1:]:
            raise ValueError(f"images of {images.shape[1:]}, not {self._input_shape[1:]}")
        images = np.ascontiguousarray(images, np.float32)
        logits = np.empty((len(images), *self._output_shape[1:]), np.float32)
        inferences = [
            self._pool.submit(self._infer, images[index : index + 1], logits[index])
            for index in range(len(images))
        ]
        for inference in inferences:
            inference.result()
        return logits

    def close(self) -> None:
        """Ends the streams and drops the network."""
        self._pool.shutdown()
        self._compiled = None

    def _infer(self, image: NDArray[np.float32], logits: NDArray[np.float32]) -> None:
        request = getattr(self._of_thread, "request", None)
        if request is None:
            assert self._compiled is not None  # close() waits for the pool first
            request = self._of_thread.request = self._compiled.create_infer_request()
        request.infer({0: image}, share_inputs=True)
        logits[...] = request.get_output_tensor(0).data[0]


def load_openvino_engine(
    model: ModelSpec, canvas: tuple[int, int], output_stride: int, precision: str, threads: int
) -> OpenVinoEngine:
    """Loads a model as it was converted earlier, else builds and converts it; then compiles it.

    What was converted, OpenVINO's IR in float32, is kept in the cache folder under the weights'
    digest, shape, output stride, and our code that built it. With it, neither TensorFlow nor Keras
    is imported. What was compiled is not kept: at 513 x 513 MobileNet-v2 compiles in 0.15 s and
    would load in 0.06 s, Xception-65 in 0.55 s and 0.34 s; but compiled networks are code, of one
    CPU and one version of OpenVINO. Arguments and errors are those of
    :func:`deeplab.engines.load_engine`.
    """
    check_precision(precision)
    core = ov.Core()
    if model.staged:
        network = model.staged.load(lambda folder: read_packed(core, folder, canvas))
    else:
        network = with_converted(
            model, canvas, output_stride, lambda folder: core.read_model(folder / IR_NAME)
        )
    compiled = core.compile_model(network, "CPU", _settings(precision, threads))
    return OpenVinoEngine(compiled, threads)


def with_converted(
    model: ModelSpec,
    canvas: tuple[int, int],
    output_stride: int,
    restore: Callable[[Path], Restored],
) -> Restored:
    """What ``restore`` reads in the folder of a converted network, which is made if need be.

    It is given a folder with the file ``network.xml`` and its weights. The other arguments, and the
    errors of the weights, are those of :func:`deeplab.engines.load_engine`.
    """

    def make(folder: Path) -> None:
        import_tensorflow_quietly()
        from beam_deeplab.deeplab.engines.networks import build_network, convert_network

        network = build_network(model, canvas, output_stride, "f32")
        converted = convert_network(network, canvas)
        ov.save_model(converted, folder / IR_NAME, compress_to_fp16=False)

    entry = converted_entry(model.digest, canvas, output_stride)
    return load_or_make(entry, restore, make)


def check_precision(precision: str) -> None:
    """Makes sure that this CPU computes in a precision; OpenVINO would silently take another.

    Raises:
        EngineError: It does not.
    """
    has = ov.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    if _CAPABILITIES[precision] not in has:
        known = [name for name, capability in _CAPABILITIES.items() if capability in has]
        raise EngineError(
            f"this CPU ({cpu_name()}) does not compute in {precision}: take {' or '.join(known)}"
        )


def converted_entry(digest: str, canvas: tuple[int, int], output_stride: int) -> CacheEntry:
    """Where what was converted of weights with a digest is kept, for a canvas (height, width)."""
    height, width = canvas
    return derived_entry(
        shelf="openvino",
        name=f"{digest[:12]}-{height}x{width}-stride{output_stride}",
        key={
            "weights": digest,
            "canvas": [height, width],
            "output_stride": output_stride,
            "openvino": ov.get_version(),
            "code": code_digest(
                "beam_deeplab.deeplab.architecture",
                "beam_deeplab.deeplab.checkpoints",
                "beam_deeplab.deeplab.engines",
            ),
        },
    )


def _settings(precision: str, threads: int) -> dict[str, Any]:
    return {
        # Without it OpenVINO takes bfloat16 wherever the CPU has it.
        "INFERENCE_PRECISION_HINT": _ELEMENT_TYPES[precision],
        "NUM_STREAMS": threads,
        "INFERENCE_NUM_THREADS": threads,
        # Pinned, the streams of every process would crowd on the same first cores: two processes
        # of one stream each ran at half their speed on two cores.
        "ENABLE_CPU_PINNING": False,
    }


def cpu_name() -> str:
    """What this machine computes on."""
    return str(ov.Core().get_property("CPU", "FULL_DEVICE_NAME"))
