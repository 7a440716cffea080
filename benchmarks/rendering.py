"""Renders beside rembg without its network, and beside a plain Gaussian blur: CPU time a picture.

The pictures are VOC photos that show a person or an animal, enlarged, the logits the official
network's for the photo. ``matte``, ``portrait`` and ``cutout`` are the steps alone; ``whole`` is a
portrait and all that goes with it but the network: the JPEG decoded for the canvas and at its full
size, matte and effect, and a JPEG again. The peers get the picture decoded and the probabilities at
320 x 320 pixels, as rembg's own networks answer: its cutout after its post-processing, and with
its alpha matting (closed form, by pymatting), which takes 81 numbers a pixel and is left
out at 12 MP. ``Gaussian`` is OpenCV's over the whole picture at the disc's standard deviation,
blended by the matte in sRGB: fast where it is small, but no disc, and it bleeds. OpenCV has one
thread.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import simplejpeg
from numpy.typing import NDArray
from PIL import Image

from beam_deeplab.deeplab.engines import choose_engine
from beam_deeplab.deeplab.models import inspect_model
from beam_deeplab.pipeline.render import subject_classes
from beam_deeplab.transforms.decoding.decode import decode_image
from beam_deeplab.transforms.geometry import Canvas
from beam_deeplab.transforms.records import (
    EncodedImage,
    Failure,
    ImageRef,
    LogitsGrid,
    Rendering,
)
from beam_deeplab.transforms.rendering.composites import RenderRecipe, render_image
from beam_deeplab.transforms.rendering.cutout import cutout
from beam_deeplab.transforms.rendering.matte import refined_matte, soft_matte
from beam_deeplab.transforms.rendering.portrait import disc_radius, portrait
from beam_deeplab.transforms.segmenting.handler import DeepLabHandler
from benchmarks.measurement import Measurement, Row, Settings, median
from benchmarks.photos import QUALITY, enlarged, voc_photos
from benchmarks.suite import run_alone

_MEGAPIXELS = (0.25, 12.0)
_PICTURES = 4
_MOST_FOR_MATTING = 1.0
_REMBG = ("rembg==2.0.86", "onnxruntime")
_REMBG_SIDE = 320


def measure(settings: Settings) -> Measurement:
    cv2.setNumThreads(1)
    model = inspect_model(str(settings.model))
    canvas = Canvas(*model.canvas)
    engine = choose_engine("openvino", "f32")
    subject = subject_classes(("human", "animal"), model.labels)
    recipe = RenderRecipe(model, canvas, model.output_stride, engine, True, subject=subject)
    network = DeepLabHandler(recipe).load_model()
    rows: list[Row] = []
    for megapixels in _MEGAPIXELS:
        columns: dict[str, list[float]] = {}
        for photo in voc_photos(settings.shared):
            if len(columns.get("matte", ())) == _PICTURES:
                break
            pixels = enlarged(simplejpeg.decode_jpeg(photo.read_bytes()), megapixels)
            data = simplejpeg.encode_jpeg(pixels, quality=QUALITY, colorsubsampling="420")
            encoded = EncodedImage(ImageRef(str(photo)), data)
            (answer,) = network([_decoded(encoded, recipe)])
            assert isinstance(answer, LogitsGrid)
            matte = refined_matte(pixels, answer, subject)
            if not 0.05 < matte.mean() / 255 < 0.8:
                continue
            ways = _ways(pixels, matte, encoded, answer, recipe)
            for name, way in ways.items():
                columns.setdefault(name, []).append(_seconds(way, settings.repeats))
            for name, seconds in _rembg(settings, pixels, answer, subject, megapixels).items():
                columns.setdefault(name, []).append(seconds)
        row: Row = {"MP": megapixels, "pictures": len(columns["matte"])}
        row.update({f"{name} CPU ms": _milliseconds(columns.get(name)) for name in _COLUMNS})
        rows.append(row)
    return Measurement(
        name="rendering",
        title="Renders, rembg without its network, and a plain Gaussian",
        rows=rows,
        notes=["Medians over the pictures, each the median of its turns, of CPU time."],
    )


_COLUMNS = ("matte", "portrait", "cutout", "whole", "Gaussian", "rembg", "rembg, matting")


def _milliseconds(seconds: list[float] | None) -> float | None:
    return 1000 * median(seconds) if seconds else None


def _decoded(encoded: EncodedImage, recipe: RenderRecipe) -> Any:
    row = decode_image(encoded, recipe.canvas, recipe.decoding)
    assert not isinstance(row, Failure)
    return row


def _ways(
    pixels: NDArray[np.uint8],
    matte: NDArray[np.uint8],
    encoded: EncodedImage,
    answer: LogitsGrid,
    recipe: RenderRecipe,
) -> dict[str, Callable[[], Any]]:
    radius = disc_radius(0.5, *matte.shape)
    carried = LogitsGrid(
        answer.ref,
        answer.logits,
        answer.stride,
        answer.content_height,
        answer.content_width,
        answer.original,
        data=encoded.data,
    )

    def whole() -> None:
        _decoded(encoded, recipe)
        assert isinstance(render_image(carried, recipe), Rendering)

    def gaussian() -> NDArray[np.uint8]:
        blurred = cv2.GaussianBlur(pixels, (0, 0), radius / 2).astype(np.float32)
        share = matte[..., None] / np.float32(255)
        mixed: NDArray[np.uint8] = (share * pixels + (1 - share) * blurred).astype(np.uint8)
        return mixed

    return {
        "matte": lambda: refined_matte(pixels, answer, recipe.subject),
        "portrait": lambda: portrait(pixels, matte, radius),
        "cutout": lambda: cutout(pixels, matte),
        "whole": whole,
        "Gaussian": gaussian,
    }


def _seconds(way: Callable[[], Any], repeats: int) -> float:
    way()
    turns = []
    for _ in range(repeats):
        start = time.process_time()
        way()
        turns.append(time.process_time() - start)
    return median(turns)


def _rembg(
    settings: Settings,
    pixels: NDArray[np.uint8],
    answer: LogitsGrid,
    subject: tuple[int, ...],
    megapixels: float,
) -> dict[str, float]:
    picture, mask = settings.workspace / "picture.png", settings.workspace / "mask.png"
    Image.fromarray(pixels).save(picture, compress_level=1)
    soft = Image.fromarray(soft_matte(answer, subject))
    soft.resize((_REMBG_SIDE, _REMBG_SIDE)).save(mask)
    found = {"rembg": _peer(picture, mask, settings.repeats, "plain")}
    if megapixels <= _MOST_FOR_MATTING:
        found["rembg, matting"] = _peer(picture, mask, settings.repeats, "matting")
    return found


def _peer(picture: Path, mask: Path, repeats: int, way: str) -> float:
    uv = (sys.executable, "-m", "uv", "run", "--no-project", "--python", sys.executable)
    needed = [word for package in _REMBG for word in ("--with", package)]
    script = str(Path(__file__).with_name("rembg_peer.py"))
    arguments = [str(picture), str(mask), str(repeats), way]
    done = subprocess.run(
        [*uv, *needed, "python", script, *arguments], check=True, capture_output=True, text=True
    )
    return median([float(line) for line in done.stdout.split()])


if __name__ == "__main__":
    run_alone(measure)
