"""Photos to work on, made from the PASCAL VOC ones: small as they are, and enlarged to 12 MP.

Beyond the first 22 each is another crop and mirror image of one of them, so that no two files
are equal and no cache of any contestant can help. Enlarged photos are smoother than a camera's
(about 1 MB at JPEG quality 90): decoding them is a little cheaper, for every contestant alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import simplejpeg
from numpy.typing import NDArray

from beam_deeplab.deeplab.engines import available_cores
from benchmarks.official import CANVAS

MEGAPIXELS = 12.0
QUALITY = 90

_CROP_STEP = 2
"""Pixels that each round of variants loses at its right and lower edge, up to 38."""


def voc_photos(shared: Path) -> list[Path]:
    """The 22 photos, by name."""
    photos = sorted((shared / "voc" / "JPEGImages").glob("*.jpg"))
    if not photos:
        raise FileNotFoundError("set DEEPLAB_SHARED to the folder with checkpoints and voc")
    return photos


def truth_mask(shared: Path, photo: Path) -> Path:
    """Where the ground truth of a photo is: a palette PNG, 255 to be ignored."""
    return shared / "voc" / "SegmentationClassAug" / f"{photo.stem}.png"


def make_photos(
    shared: Path, folder: Path, count: int, megapixels: float | None = None
) -> list[Path]:
    """Writes JPEG files, unless they are there already.

    Args:
        shared: Folder with ``voc``.
        folder: Where to write.
        count: How many.
        megapixels: The size of each; None for the photos' own, at most 500 x 500.

    Returns:
        The files, by name.
    """
    folder.mkdir(parents=True, exist_ok=True)
    sources = voc_photos(shared)
    files = [folder / f"{index:05}.jpg" for index in range(count)]

    def write(index: int) -> None:
        if not files[index].exists():
            source = sources[index % len(sources)].read_bytes()
            files[index].write_bytes(_variant(source, index // len(sources), megapixels))

    with ThreadPoolExecutor(available_cores()) as pool:
        list(pool.map(write, range(count)))
    return files


def one_a_bucket(photos: Sequence[Path]) -> list[Path]:
    """The first photo for each of the default canvases, so that a warm-up compiles them all."""
    from beam_deeplab.transforms.geometry import Canvas, fit_size
    from beam_deeplab.transforms.segmenting.buckets import bucket_for, canvas_buckets

    canvas = Canvas(CANVAS, CANVAS)
    buckets = canvas_buckets(canvas, 16)
    first: dict[Canvas, Path] = {}
    for photo in photos:
        height, width, *_ = simplejpeg.decode_jpeg_header(photo.read_bytes())
        first.setdefault(bucket_for(*fit_size(height, width, canvas), buckets), photo)
    return list(first.values())


def slices(photos: Sequence[Path], size: int, repeats: int) -> list[list[Path]]:
    """For each repeat its own photos, as far as there are enough."""
    return [
        [photos[(repeat * size + index) % len(photos)] for index in range(min(size, len(photos)))]
        for repeat in range(repeats)
    ]


def enlarged(pixels: NDArray[np.uint8], megapixels: float) -> NDArray[np.uint8]:
    """A photo at another size, its aspect kept, with a cubic filter."""
    height, width = size_at(pixels.shape[0], pixels.shape[1], megapixels)
    larger: NDArray[np.uint8] = cv2.resize(pixels, (width, height), interpolation=cv2.INTER_CUBIC)
    return larger


def size_at(height: int, width: int, megapixels: float) -> tuple[int, int]:
    """Height and width of about so many pixels with the same aspect."""
    factor = float(np.sqrt(megapixels * 1e6 / (height * width)))
    return round(height * factor), round(width * factor)


def _variant(source: bytes, round_: int, megapixels: float | None) -> bytes:
    if round_ == 0 and megapixels is None:
        return source
    pixels = simplejpeg.decode_jpeg(source)
    cut = _CROP_STEP * (round_ // 4 % 20)
    pixels = pixels[: pixels.shape[0] - cut, : pixels.shape[1] - cut]
    if round_ % 2:
        pixels = pixels[:, ::-1]
    if round_ // 2 % 2:
        pixels = pixels[::-1]
    if megapixels is not None:
        pixels = enlarged(np.ascontiguousarray(pixels), megapixels)
    encoded: bytes = simplejpeg.encode_jpeg(
        np.ascontiguousarray(pixels), quality=QUALITY, colorsubsampling="420"
    )
    return encoded
