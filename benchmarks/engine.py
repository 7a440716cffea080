"""Engines alone: images a second by engine, precision and batch size, beside the frozen graph.

The official frozen graph gets one picture at a time, as it only can. It is asked for its logits
(``logits/semantic/BiasAdd:0``), which is what an engine gives, and in rows of their own for its
labels, to which ours are brought by :func:`transforms.masks.label_map`. Both sides start from
decoded uint8 pictures, and padding and normalising is in the time of both.

``engine_ratio`` is OpenVINO in float32 over the frozen graph, logits on both sides,
``engine_ratio_bf16`` and ``engine_ratio_int8`` the same in bfloat16 and in 8 bits, calibrated on
half of the photos; all at the batch of 8 that the program takes at this canvas. Those that end in
``_to_labels`` are the same with labels on both sides, those that end in ``_cpu`` of CPU time, which
tells the same where others use the machine too.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from beam_deeplab.deeplab.engines import EngineError
from beam_deeplab.deeplab.zoo import CACHE_VARIABLE
from benchmarks.children import Child
from benchmarks.measurement import Measurement, Row, Settings, median, spread
from benchmarks.official import CANVAS, FrozenGraph
from benchmarks.photos import voc_photos
from benchmarks.suite import run_alone

if TYPE_CHECKING:
    from beam_deeplab.deeplab.models import ModelSpec

STRIDE = 16
PROGRAM_BATCH = 8

_BATCH_SIZES = (1, 2, 4, 8, 16)
_SECONDS_A_TURN = 3.0
_ENGINES = (
    ("openvino", "f32"),
    ("openvino", "bf16"),
    ("openvino", "int8"),
    ("openvino", "f16"),
    ("tensorflow", "f32"),
)


LOGITS = "logits"
LABELS = "labels"


@dataclass(frozen=True)
class Turn:
    """What an engine did in one turn.

    Attributes:
        images_per_second: Its rate.
        cpu_seconds: CPU time of an image, all threads.
    """

    images_per_second: float
    cpu_seconds: float


class FrozenGraphEngine:
    """The frozen graph on decoded pictures.

    Args:
        frozen_graph: The ``.pb`` file.
        photos: Photos that fit the canvas.
    """

    def __init__(self, frozen_graph: Path, photos: list[Path]) -> None:
        self._graph = FrozenGraph(frozen_graph)
        self._pictures = [pixels_of(photo) for photo in photos]
        for answer in (LOGITS, LABELS):
            self.turn(answer, 1, 0.1)

    def turn(self, answer: str, batch_size: int, seconds: float) -> Turn:
        """Computes for some seconds."""
        compute = self._graph.logits if answer == LOGITS else self._graph.labels
        pictures = self._pictures
        return _turn(lambda index: compute(pictures[index % len(pictures)]), batch_size, seconds)


class OurEngine:
    """One of our engines on decoded pictures.

    Args:
        model: The checkpoint.
        engine: Its name.
        precision: Its precision.
        photos: Photos that fit the canvas.
    """

    def __init__(self, model: Path, engine: str, precision: str, photos: list[Path]) -> None:
        from beam_deeplab.deeplab.engines import load_engine
        from beam_deeplab.deeplab.models import inspect_model
        from beam_deeplab.transforms.geometry import Canvas
        from beam_deeplab.transforms.records import DecodedImage, ImageRef, Original

        self._canvas = Canvas(CANVAS, CANVAS)
        spec = inspect_model(str(model))
        if precision == "int8":
            spec = _quantized(spec, photos[::2])
        self._engine = load_engine(spec, (CANVAS, CANVAS), STRIDE, engine, precision)
        self._pictures = [
            DecodedImage(ImageRef(photo.name), pixels, Original(*pixels.shape[:2]))
            for photo in photos
            for pixels in [pixels_of(photo)]
        ]

    def turn(self, answer: str, batch_size: int, seconds: float) -> Turn:
        """Computes for some seconds."""
        from beam_deeplab.transforms.masks.label_maps import label_map
        from beam_deeplab.transforms.segmenting.inference import assemble_batch

        def infer(index: int) -> None:
            count = len(self._pictures)
            first = index * batch_size
            batch = [self._pictures[(first + place) % count] for place in range(batch_size)]
            grids = self._engine(assemble_batch(batch, self._canvas))
            if answer == LABELS:
                for picture, grid in zip(batch, grids, strict=True):
                    size = picture.pixels.shape[:2]
                    label_map(grid, STRIDE, size, size)

        infer(0)  # a new batch size may have to be traced
        return _turn(infer, batch_size, seconds)


def _quantized(model: ModelSpec, photos: list[Path]) -> ModelSpec:
    from beam_deeplab.deeplab.models import quantized_spec
    from beam_deeplab.deeplab.quantized import NETWORKS_NAME, write_quantized
    from beam_deeplab.pipeline.calibration import quantize_model
    from beam_deeplab.transforms.geometry import Canvas
    from beam_deeplab.transforms.records import ImageRef
    from beam_deeplab.transforms.segmenting.handler import Recipe

    recipe = Recipe(model, Canvas(CANVAS, CANVAS), STRIDE)
    made = quantize_model(recipe, [ImageRef(str(photo)) for photo in photos], len(photos), 0)
    folder = Path(tempfile.mkdtemp(dir=os.environ[CACHE_VARIABLE]))
    write_quantized(folder, made.card, made.networks)
    return quantized_spec(made.card, str(folder / NETWORKS_NAME))


def pixels_of(photo: Path) -> NDArray[np.uint8]:
    """The decoded picture."""
    import simplejpeg

    pixels: NDArray[np.uint8] = simplejpeg.decode_jpeg(photo.read_bytes())
    return pixels


def measure(settings: Settings) -> Measurement:
    photos = voc_photos(settings.shared)
    sizes = (PROGRAM_BATCH,) if settings.bars else _BATCH_SIZES
    turns: dict[_Key, list[Turn]] = {}
    notes: list[str] = []
    with ExitStack() as stack:
        frozen = stack.enter_context(Child(FrozenGraphEngine, settings.frozen_graph, photos))
        contestants: list[tuple[_Key, Child[FrozenGraphEngine | OurEngine]]] = [
            (_Key(_FROZEN, "f32", answer, 1), frozen) for answer in (LOGITS, LABELS)
        ]
        for name, precision in _ENGINES[:3] if settings.bars else _ENGINES:
            try:
                ours = Child(OurEngine, settings.model, name, precision, photos)
            except EngineError as error:
                notes.append(f"{name} {precision}: {error}.")
                continue
            stack.enter_context(ours)
            contestants += [(_Key(name, precision, LOGITS, size), ours) for size in sizes]
            contestants.append((_Key(name, precision, LABELS, PROGRAM_BATCH), ours))
        for _ in range(settings.repeats):
            for key, child in contestants:
                turn = child.call(OurEngine.turn, key.answer, key.batch, _SECONDS_A_TURN)
                turns.setdefault(key, []).append(turn)
    rates = {key: median([turn.images_per_second for turn in own]) for key, own in turns.items()}
    cpu = {key: median([turn.cpu_seconds for turn in own]) for key, own in turns.items()}
    ratios: dict[str, float | None] = {}
    for precision, bar in (
        ("f32", "engine_ratio"),
        ("bf16", "engine_ratio_bf16"),
        ("int8", "engine_ratio_int8"),
    ):
        for answer, suffix in ((LOGITS, ""), (LABELS, "_to_labels")):
            key = _Key("openvino", precision, answer, PROGRAM_BATCH)
            frozen_key = _Key(_FROZEN, "f32", answer, 1)
            ratios[bar + suffix] = rates[key] / rates[frozen_key] if key in rates else None
            ratios[f"{bar}{suffix}_cpu"] = cpu[frozen_key] / cpu[key] if key in cpu else None
    return Measurement(
        name="engine",
        title=f"Engines at {CANVAS} x {CANVAS}, output stride {STRIDE}",
        rows=[_row(key, own, rates) for key, own in turns.items()],
        ratios=ratios,
        notes=notes,
    )


class _Key(NamedTuple):
    engine: str
    precision: str
    answer: str
    batch: int


_FROZEN = "frozen graph"


def _row(key: _Key, turns: list[Turn], rates: dict[_Key, float]) -> Row:
    return {
        **key._asdict(),
        "images/s": rates[key],
        "spread": spread([turn.images_per_second for turn in turns]),
        "of the frozen graph": rates[key] / rates[_Key(_FROZEN, "f32", key.answer, 1)],
        "CPU ms": 1000 * median([turn.cpu_seconds for turn in turns]),
    }


def _turn(infer: Callable[[int], object], size: int, seconds: float) -> Turn:
    start, cpu = time.perf_counter(), time.process_time()
    calls = 0
    while (elapsed := time.perf_counter() - start) < seconds:
        infer(calls)
        calls += 1
    images = calls * size
    return Turn(images / elapsed, (time.process_time() - cpu) / images)


if __name__ == "__main__":
    run_alone(measure)
