"""What scenes have for a background: gradients, noise, plain shapes and photographs."""

from __future__ import annotations

import functools
from collections.abc import Callable
from importlib import resources
from typing import TYPE_CHECKING, TypeAlias

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Pixels: TypeAlias = NDArray[np.float32]
    """RGB of shape [height, width, 3], or grey of shape [height, width]."""

_FINEST_NOISE_CELLS = 96


def paint_backdrop(rng: np.random.Generator, height: int, width: int) -> Pixels:
    """A background that shows none of the classes: float32 RGB [height, width, 3], 0 to 255."""
    paint = _PAINTERS[int(rng.integers(len(_PAINTERS)))]
    pixels = paint(rng, height, width)
    if rng.random() < 0.3:
        grain = _noise(rng, height, width) - np.float32(0.5)
        pixels += grain[..., None] * np.float32(rng.uniform(10, 60))
    return np.clip(pixels, 0, 255, out=pixels)


def random_colour(rng: np.random.Generator) -> NDArray[np.float32]:
    """A colour of any hue, from grey to pure and from dark to bright: float32 [3], 0 to 255."""
    hue = rng.random() * 6
    pure = np.clip(np.abs((hue + np.array([3, 1, 5])) % 6 - 3) - 1, 0, 1)
    saturation, value = rng.random() ** 1.5, 255 * (0.08 + 0.92 * rng.random() ** 0.8)
    return np.asarray(value * (1 - saturation * (1 - pure)), np.float32)


def _gradient(rng: np.random.Generator, height: int, width: int) -> Pixels:
    rows = np.linspace(-0.5, 0.5, height, dtype=np.float32)[:, None]
    columns = np.linspace(-0.5, 0.5, width, dtype=np.float32)[None]
    if rng.random() < 0.6:
        angle = rng.uniform(0, 2 * np.pi)
        place = np.float32(np.cos(angle)) * columns + np.float32(np.sin(angle)) * rows + 0.5
    else:
        top, left = rng.uniform(-0.5, 0.5, 2).astype(np.float32)
        place = cv2.magnitude(*np.broadcast_arrays(columns - left, rows - top))
    return _tinted(rng, np.clip(place, 0, 1))


def _noise_texture(rng: np.random.Generator, height: int, width: int) -> Pixels:
    pixels = _tinted(rng, _noise(rng, height, width))
    if rng.random() < 0.5:
        pixels += (_noise(rng, height, width)[..., None] - np.float32(0.5)) * random_colour(rng)
    return pixels


def _tinted(rng: np.random.Generator, place: Pixels) -> Pixels:
    """Colours for a map of 0 to 1, from one random colour to another, perhaps through a third."""
    stops = np.stack([random_colour(rng) for _ in range(int(rng.integers(2, 4)))])
    positions = np.linspace(0, 255, len(stops))
    table = np.stack([np.interp(np.arange(256), positions, stop) for stop in stops.T], axis=-1)
    painted: Pixels = table.astype(np.float32)[(place * 255).astype(np.uint8)]
    return painted


def _noise(rng: np.random.Generator, height: int, width: int) -> Pixels:
    """Smooth noise of several octaves, perhaps streaked: float32 [height, width], 0 to 1."""
    total = np.zeros((height, width), np.float32)
    cells = rng.integers(2, 9, 2)
    persistence = rng.uniform(0.4, 0.9)
    weight = 1.0
    while cells.min() <= _FINEST_NOISE_CELLS:
        grid = rng.random((int(cells[0]) + 1, int(cells[1]) + 1), np.float32)
        total += cv2.resize(grid, (width, height), interpolation=cv2.INTER_CUBIC) * np.float32(
            weight
        )
        cells = cells * 2
        weight *= persistence
    low, high = float(total.min()), float(total.max())
    return np.asarray((total - low) / max(high - low, 1e-6), np.float32)


def _plain_shapes(rng: np.random.Generator, height: int, width: int) -> Pixels:
    """Blurred ellipses, boxes and triangles: things, but none with a class."""
    pixels = np.clip(_gradient(rng, height, width), 0, 255).astype(np.uint8)
    long_side = max(height, width)
    for _ in range(int(rng.integers(2, 13))):
        colour = random_colour(rng).tolist()
        centre = rng.random(2) * (width, height)
        radii = rng.uniform(0.03, 0.25, 2) * long_side
        angle = rng.uniform(0, 360)
        kind = int(rng.integers(3))
        if kind == 0:
            box = (centre.tolist(), (2 * radii).tolist(), angle)
            cv2.ellipse(pixels, box, colour, cv2.FILLED, cv2.LINE_AA)
            continue
        corners = cv2.boxPoints((centre.tolist(), (2 * radii).tolist(), angle))
        points = np.rint(corners[: 5 - kind]).astype(np.int32)
        cv2.fillPoly(pixels, [points], colour, cv2.LINE_AA)
    sigma = rng.uniform(0.3, 0.02 * long_side)
    return np.asarray(cv2.GaussianBlur(pixels, (0, 0), sigma), np.float32)


@functools.cache
def _photographs() -> tuple[NDArray[np.uint8], ...]:
    """The photographs of the package, uint8 RGB, by name."""
    folder = resources.files(__package__).joinpath("backgrounds")
    files = sorted((f for f in folder.iterdir() if f.name.endswith(".jpg")), key=lambda f: f.name)
    return tuple(_decoded(file.read_bytes()) for file in files)


def _decoded(data: bytes) -> NDArray[np.uint8]:
    stored = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    rgb: NDArray[np.uint8] = cv2.cvtColor(stored, cv2.COLOR_BGR2RGB)
    return rgb


def _photograph(rng: np.random.Generator, height: int, width: int) -> Pixels:
    """A part of a photograph, perhaps mirrored or blurred, in another light."""
    choice = _photographs()
    photo = choice[int(rng.integers(len(choice)))]
    fit = min(photo.shape[0] / height, photo.shape[1] / width) * rng.uniform(0.4, 1)
    rows, columns = max(1, int(height * fit)), max(1, int(width * fit))
    top = int(rng.integers(photo.shape[0] - rows + 1))
    left = int(rng.integers(photo.shape[1] - columns + 1))
    part = photo[top : top + rows, left : left + columns]
    if rng.random() < 0.5:
        part = part[:, ::-1]
    enlarged = cv2.resize(
        np.ascontiguousarray(part), (width, height), interpolation=cv2.INTER_LINEAR
    )
    if rng.random() < 0.4:
        enlarged = cv2.GaussianBlur(enlarged, (0, 0), rng.uniform(0.5, 0.02 * max(height, width)))
    if rng.random() < 0.25:
        grey = cv2.cvtColor(enlarged, cv2.COLOR_RGB2GRAY).astype(np.float32) / np.float32(255)
        return _tinted(rng, grey)
    mean = np.float32(enlarged.mean())
    contrast = np.float32(rng.uniform(0.6, 1.2))
    tint = rng.uniform(0.7, 1.3, 3).astype(np.float32)
    return np.asarray((enlarged.astype(np.float32) - mean) * contrast + mean, np.float32) * tint


_PAINTERS: tuple[Callable[[np.random.Generator, int, int], Pixels], ...] = (
    _gradient,
    _noise_texture,
    _plain_shapes,
    _photograph,
)
