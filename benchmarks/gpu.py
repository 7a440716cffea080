"""The network on a GPU: images a second by precision and batch size at 513 x 513.

The same Keras network runs on JAX, compiled by XLA for each batch size, with random weights, which
cost the same time as trained ones; images lie on the device already and the logits stay there,
so that the figure is the network's own. One command makes it, on a machine with ``jax[cuda]``
and Keras, needing neither TensorFlow nor Beam nor any data::

    python -m benchmarks.gpu

``of the matrix rate`` is the network's arithmetic (XLA's own count of the compiled program) over
the largest rate that this device reached in the same precision in one large matrix product,
measured in the same run. Without a GPU nothing is measured, and the table says so.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from benchmarks.children import Child
from benchmarks.machine import gpu_name
from benchmarks.measurement import Measurement, Row, Settings, median
from benchmarks.official import CANVAS
from benchmarks.suite import run_alone

_BATCH_SIZES = (1, 8, 32, 128)
_PRECISIONS = {"f32": "float32", "bf16": "mixed_bfloat16", "f16": "mixed_float16"}
_MATRIX_TYPES = {"f32": "float32", "bf16": "bfloat16", "f16": "float16"}
_MATRIX_SIDE = 8192
_SECONDS_A_TURN = 1.0


class NetworkOnJax:
    """The MobileNet-v2 network for PASCAL VOC in one precision.

    Args:
        precision: ``f32``, ``bf16`` or ``f16``.
    """

    def __init__(self, precision: str) -> None:
        import jax
        import keras

        from beam_deeplab.deeplab.architecture import AsppConfig, DeepLabConfig
        from beam_deeplab.deeplab.architecture.builder import build_network

        self._type = _MATRIX_TYPES[precision]
        keras.config.set_dtype_policy(_PRECISIONS[precision])
        config = DeepLabConfig("mobilenet_v2", num_classes=21, aspp=AsppConfig())
        network = build_network(config, (CANVAS, CANVAS))
        trainable = [variable.value for variable in network.trainable_variables]
        fixed = [variable.value for variable in network.non_trainable_variables]

        def logits(images: Any) -> Any:
            return network.stateless_call(trainable, fixed, images, training=False)[0]

        self._logits: Any = jax.jit(logits)

    def device(self) -> str:
        """What computes."""
        import jax

        return str(jax.devices()[0].device_kind)

    def matrix_rate(self, turns: int) -> float:
        """Floating-point operations a second of one large matrix product, the best turn."""
        import jax
        import jax.numpy as jnp

        keys = jax.random.split(jax.random.key(0), 2)
        shape = (_MATRIX_SIDE, _MATRIX_SIDE)
        left, right = (jax.random.normal(key, shape, jnp.dtype(self._type)) for key in keys)
        product: Any = jax.jit(jnp.matmul)
        seconds = [_seconds(lambda: product(left, right)) for _ in range(turns)]
        return 2 * _MATRIX_SIDE**3 / min(seconds)

    def network_rate(self, batch: int, turns: int) -> tuple[float, float]:
        """Images a second, the median turn, and floating-point operations an image."""
        import jax

        images = jax.random.uniform(jax.random.key(1), (batch, CANVAS, CANVAS, 3), minval=-1)
        compiled = self._logits.lower(images).compile()
        costs = compiled.cost_analysis()
        operations = float((costs[0] if isinstance(costs, list) else costs)["flops"]) / batch
        seconds = [_seconds(lambda: compiled(images)) for _ in range(turns)]
        return batch / median(seconds), operations


def measure(settings: Settings) -> Measurement:
    name = gpu_name()
    if name is None:
        return Measurement(
            name="gpu",
            title="The network on a GPU",
            rows=[{"device": None, "measured": "no GPU at hand: nothing measured"}],
        )
    rows: list[Row] = []
    for precision in _PRECISIONS:
        with Child(NetworkOnJax, precision, environment=_environment(precision)) as child:
            device = child.call(NetworkOnJax.device)
            peak = child.call(NetworkOnJax.matrix_rate, settings.repeats)
            for batch in _BATCH_SIZES:
                rate, operations = child.call(NetworkOnJax.network_rate, batch, settings.repeats)
                rows.append(
                    {
                        "device": device,
                        "precision": precision,
                        "batch": batch,
                        "images/s": rate,
                        "GFLOP an image": operations / 1e9,
                        "matrix TFLOP/s": peak / 1e12,
                        "of the matrix rate": rate * operations / peak,
                    }
                )
    return Measurement(
        name="gpu",
        title=f"The network on {name}, Keras on JAX, {CANVAS} x {CANVAS}, output stride 16",
        rows=rows,
    )


def _environment(precision: str) -> dict[str, str]:
    """JAX would shorten float32 products to TF32 by itself."""
    exact = {"JAX_DEFAULT_MATMUL_PRECISION": "highest"} if precision == "f32" else {}
    return {"KERAS_BACKEND": "jax", **exact}


def _seconds(compute: Callable[[], Any]) -> float:
    """Seconds of one call, over as many as fill a turn; waits for the device."""
    compute().block_until_ready()
    start = time.perf_counter()
    calls = 0
    while time.perf_counter() - start < _SECONDS_A_TURN:
        answer = compute()
        calls += 1
        if calls % 8 == 0:
            answer.block_until_ready()
    answer.block_until_ready()
    return (time.perf_counter() - start) / calls


if __name__ == "__main__":
    run_alone(measure)
