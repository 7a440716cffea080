"""Engines alone: images a second by engine, precision and batch size, beside the frozen graph.

The official frozen graph gets one picture at a time, as it only can, and is asked for its logits
(``logits/semantic/BiasAdd:0``), which is what an engine gives; the row of its labels, which cost it
a resize to the canvas and an argmax more, is for comparison only. Both sides start from decoded
uint8 pictures, and padding and normalising is in the time of both.

``engine_ratio`` is OpenVINO in float32 over the frozen graph's logits, ``engine_ratio_bf16`` the
same in bfloat16; both at the batch of 8 that the program takes at this canvas.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.children import Child
from benchmarks.measurement import Measurement, Row, Settings, median, spread
from benchmarks.official import CANVAS, FrozenGraph
from benchmarks.photos import voc_photos
from benchmarks.suite import run_alone
from deeplab.engines import EngineError

STRIDE = 16
PROGRAM_BATCH = 8

_BATCH_SIZES = (1, 2, 4, 8, 16)
_SECONDS_A_TURN = 4.0
_ENGINES = (
    ("openvino", "f32"),
    ("openvino", "bf16"),
    ("openvino", "f16"),
    ("tensorflow", "f32"),
)


class FrozenGraphEngine:
    """The frozen graph on decoded pictures.

    Args:
        frozen_graph: The ``.pb`` file.
        photos: Photos that fit the canvas.
    """

    def __init__(self, frozen_graph: Path, photos: list[Path]) -> None:
        self._graph = FrozenGraph(frozen_graph)
        self._pictures = [pixels_of(photo) for photo in photos]
        self.logits_rate(0.1)
        self.labels_rate(0.1)

    def logits_rate(self, seconds: float) -> float:
        """Pictures a second to logits."""
        return _rate(lambda index: self._graph.logits(self._picture(index)), 1, seconds)

    def labels_rate(self, seconds: float) -> float:
        """Pictures a second to labels."""
        return _rate(lambda index: self._graph.labels(self._picture(index)), 1, seconds)

    def _picture(self, index: int) -> NDArray[np.uint8]:
        return self._pictures[index % len(self._pictures)]


class OurEngine:
    """One of our engines on decoded pictures.

    Args:
        model: The checkpoint.
        engine: Its name.
        precision: Its precision.
        photos: Photos that fit the canvas.
    """

    def __init__(self, model: Path, engine: str, precision: str, photos: list[Path]) -> None:
        from deeplab.engines import load_engine
        from deeplab.models import inspect_model
        from transforms.geometry import Canvas
        from transforms.records import DecodedImage, ImageRef

        self._canvas = Canvas(CANVAS, CANVAS)
        self._engine = load_engine(
            inspect_model(str(model)), (CANVAS, CANVAS), STRIDE, engine, precision
        )
        self._pictures = [
            DecodedImage(ImageRef(photo.name), pixels, pixels.shape[0], pixels.shape[1])
            for photo in photos
            for pixels in [pixels_of(photo)]
        ]

    def rate(self, batch_size: int, seconds: float) -> float:
        """Pictures a second."""
        from transforms.segmenting.inference import assemble_batch

        def infer(index: int) -> None:
            count = len(self._pictures)
            first = index * batch_size
            batch = [self._pictures[(first + place) % count] for place in range(batch_size)]
            self._engine(assemble_batch(batch, self._canvas))

        infer(0)  # a new batch size may have to be traced
        return _rate(infer, batch_size, seconds)


def pixels_of(photo: Path) -> NDArray[np.uint8]:
    """The decoded picture."""
    import simplejpeg

    pixels: NDArray[np.uint8] = simplejpeg.decode_jpeg(photo.read_bytes())
    return pixels


def measure(settings: Settings) -> Measurement:
    photos = voc_photos(settings.shared)
    sizes = (PROGRAM_BATCH,) if settings.bars else _BATCH_SIZES
    rates: dict[tuple[str, str, int], list[float]] = {}
    notes: list[str] = []
    with ExitStack() as stack:
        frozen = stack.enter_context(Child(FrozenGraphEngine, settings.frozen_graph, photos))
        engines: list[tuple[str, str, Child[OurEngine]]] = []
        for name, precision in _ENGINES[:2] if settings.bars else _ENGINES:
            try:
                child = Child(OurEngine, settings.model, name, precision, photos)
            except EngineError as error:
                notes.append(f"{name} {precision}: {error}")
                continue
            engines.append((name, precision, stack.enter_context(child)))
        for _ in range(settings.repeats):
            for words, method in (
                ("logits", FrozenGraphEngine.logits_rate),
                ("labels", FrozenGraphEngine.labels_rate),
            ):
                rate = frozen.call(method, _SECONDS_A_TURN)
                rates.setdefault(("frozen graph", words, 1), []).append(rate)
            for name, precision, child in engines:
                for size in sizes:
                    rate = child.call(OurEngine.rate, size, _SECONDS_A_TURN)
                    rates.setdefault((name, precision, size), []).append(rate)
    official = median(rates["frozen graph", "logits", 1])
    ratios = {}
    for bar, precision in (("engine_ratio", "f32"), ("engine_ratio_bf16", "bf16")):
        if (key := ("openvino", precision, PROGRAM_BATCH)) in rates:
            ratios[bar] = median(rates[key]) / official
    return Measurement(
        name="engine",
        title=f"Engines at {CANVAS} x {CANVAS}, output stride {STRIDE}",
        rows=[_row(*key, values, official) for key, values in rates.items()],
        ratios=ratios,
        notes=notes,
    )


def _row(name: str, what: str, batch: int, rates: list[float], official: float) -> Row:
    return {
        "engine": name,
        "computes": what,
        "batch": batch,
        "images/s": median(rates),
        "spread": spread(rates),
        "of the frozen graph": median(rates) / official,
    }


def _rate(infer: Callable[[int], object], size: int, seconds: float) -> float:
    start = time.perf_counter()
    calls = 0
    while (elapsed := time.perf_counter() - start) < seconds:
        infer(calls)
        calls += 1
    return calls * size / elapsed


if __name__ == "__main__":
    run_alone(measure)
