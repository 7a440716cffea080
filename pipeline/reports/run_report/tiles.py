"""Pictures, their masks, both over one another and the truth, small and within the page."""

from __future__ import annotations

import base64
import io
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from beam_deeplab.deeplab.labels import LabelSet
from beam_deeplab.deeplab.truth import TruthError, TruthRule
from beam_deeplab.transforms import storage
from beam_deeplab.transforms.decoding.decode import decode
from beam_deeplab.transforms.decoding.formats import DecodingError
from beam_deeplab.transforms.decoding.options import DecodeOptions
from beam_deeplab.transforms.geometry import Canvas, fit_size
from beam_deeplab.transforms.records import EncodedImage, Failure, LabelledRef
from beam_deeplab.transforms.runs.segmented import find_masks
from beam_deeplab.transforms.sources.reading import read_image, read_images
from beam_deeplab.transforms.storage.local import local_path

TILE: Final = Canvas(256, 256)
"""What a tile fits into, in pixels."""

_COLOUR_SHARE: Final = 0.6
_DIMMED: Final = 0.45
_KEEP: Final = DecodeOptions(truncated="keep")


@dataclass(frozen=True)
class Truths:
    """The truth that an evaluation paired with images, by their URIs, and how it is read."""

    refs: Mapping[str, LabelledRef]
    rule: TruthRule


@dataclass(frozen=True)
class Tile:
    """One image as the page shows it; the pictures are ``data:`` URIs.

    Attributes:
        image_uri: The image.
        link: Where a browser finds it; empty where it finds nothing.
        width: Of the tile, in pixels.
        height: Of the tile, in pixels.
        mask: In the classes' colours, or the other run's mask.
        shares: The labels of the mask with their shares of it, the largest first.
        labels: Those of the mask and of the truth.
        picture: Upright; empty where the image can no longer be read.
        overlay: The mask over the picture; empty with it.
        problem: Why there is no picture, or no truth.
        truth: In the classes' colours; empty where there is none.
        before: The mask of the run that this one is held against; empty where there is none.
    """

    image_uri: str
    link: str
    width: int
    height: int
    mask: str
    shares: tuple[tuple[int, float], ...]
    labels: frozenset[int]
    picture: str = ""
    overlay: str = ""
    problem: str = ""
    truth: str = ""
    before: str = ""


def make_tiles(
    output: str,
    labels: LabelSet,
    uris: Collection[str],
    truths: Truths | None = None,
    against: tuple[str, LabelSet] | None = None,
) -> Iterator[Tile]:
    """Makes the tiles of some images: reads their masks, then them, and nothing of others.

    Args:
        output: The run's folder.
        labels: The classes of its masks.
        uris: The images.
        truths: Where they were evaluated.
        against: Another run whose masks are shown too, with its classes.

    Raises:
        OSError: A part of a run cannot be read; an image or a truth that is gone is no error.
    """
    background = 0 if labels.names[0] == "background" else None
    masks = {mask.ref.uri: mask for mask in find_masks(output, uris)}
    earlier = {mask.ref.uri: mask for mask in find_masks(against[0], uris)} if against else {}
    for read in read_images(mask.ref for mask in masks.values()):
        uri = read.ref.uri
        original = masks[uri].original
        size = fit_size(original.height, original.width, TILE)
        ids = _ids(masks[uri].mask_png)
        picture, problem = _decoded(read)
        truth, truth_problem = _truth(truths, uri)
        overlay = None
        if picture is not None:
            overlay = _overlaid(picture, _reduced(ids, size), labels, background)
        yield Tile(
            uri,
            link_to(uri),
            width=size[1],
            height=size[0],
            mask=_coloured(ids, size, labels),
            shares=_shares(ids),
            labels=_labels(ids) | _labels(truth),
            picture=_photo(picture),
            overlay=_photo(overlay),
            problem=problem or truth_problem,
            truth=_coloured(truth, size, labels),
            before=_coloured(_ids(earlier[uri].mask_png), size, against[1])
            if against and uri in earlier
            else "",
        )


def link_to(uri: str) -> str:
    """Where a browser finds an image: a file of this machine, an object by the cloud's console."""
    if storage.scheme(uri) == "gs":
        return "https://storage.cloud.google.com/" + quote(uri.partition("://")[2])
    return "" if storage.scheme(uri) else Path(local_path(uri)).absolute().as_uri()


def _decoded(read: EncodedImage | Failure) -> tuple[NDArray[np.uint8] | None, str]:
    """The picture, or why there is none."""
    if isinstance(read, Failure):
        return None, f"the image can no longer be shown: {read.code}, {read.message}"
    try:
        return decode(read.data, TILE, _KEEP).pixels, ""
    except DecodingError as error:
        return None, f"the image cannot be decoded: {error}"


def _truth(truths: Truths | None, uri: str) -> tuple[NDArray[np.uint8] | None, str]:
    """The truth of an image, or why there is none; neither, if it was not evaluated."""
    ref = truths.refs.get(uri) if truths else None
    if truths is None or ref is None:
        return None, ""
    read = read_image(ref.truth)
    if isinstance(read, Failure):
        return None, f"the truth can no longer be shown: {read.code}, {read.message}"
    try:
        return truths.rule.read(read.data, ref.truth.uri), ""
    except TruthError as error:
        return None, f"the truth cannot be read: {error}"


def _ids(png: bytes) -> NDArray[np.uint8]:
    with Image.open(io.BytesIO(png)) as stored:
        return np.asarray(stored)


def _labels(ids: NDArray[np.uint8] | None) -> frozenset[int]:
    return frozenset() if ids is None else frozenset(np.unique(ids).tolist())


def _shares(ids: NDArray[np.uint8]) -> tuple[tuple[int, float], ...]:
    counts = np.bincount(ids.ravel())
    largest = sorted(np.flatnonzero(counts).tolist(), key=lambda label: -counts[label])
    return tuple((label, float(counts[label] / ids.size)) for label in largest)


def _reduced(ids: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    reduced: NDArray[np.uint8] = cv2.resize(ids, size[::-1], interpolation=cv2.INTER_NEAREST_EXACT)
    return reduced


def _overlaid(
    picture: NDArray[np.uint8], ids: NDArray[np.uint8], labels: LabelSet, background: int | None
) -> NDArray[np.uint8]:
    """The picture in the classes' colours; dimmed where it is background."""
    colours = np.frombuffer(labels.palette_bytes(), np.uint8).reshape(256, 3)
    # Grey beneath, so that a colour always means a class.
    grey = cv2.cvtColor(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    covered = cv2.addWeighted(colours[ids], _COLOUR_SHARE, grey, 1 - _COLOUR_SHARE, 0)
    dimmed = cv2.convertScaleAbs(picture, alpha=_DIMMED)
    overlay: NDArray[np.uint8] = np.where((ids == background)[..., None], dimmed, covered)
    return overlay


def _photo(picture: NDArray[np.uint8] | None) -> str:
    return "" if picture is None else _data_uri(Image.fromarray(picture), "WEBP", quality=80)


def _coloured(ids: NDArray[np.uint8] | None, size: tuple[int, int], labels: LabelSet) -> str:
    if ids is None:
        return ""
    tile = Image.fromarray(_reduced(ids, size))
    tile.putpalette(labels.palette_bytes())
    return _data_uri(tile, "PNG", optimize=True)


def _data_uri(tile: Image.Image, file_format: str, **options: Any) -> str:
    buffer = io.BytesIO()
    tile.save(buffer, file_format, **options)
    data = base64.b64encode(buffer.getvalue()).decode()
    return f"data:image/{file_format.lower()};base64,{data}"
