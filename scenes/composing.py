"""Scenes of emoji over varied backgrounds, and the class of every pixel.

A scene depends on its seed, its index and the settings only: not on other scenes, their order or
the process, so any number of workers makes the same collection.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from beam_deeplab.scenes.atlas import Sprite, sprites_by_class
from beam_deeplab.scenes.backdrops import paint_backdrop
from beam_deeplab.scenes.settings import DEFAULT_SETTINGS, SEEDS, SceneSettings, Split

if TYPE_CHECKING:
    from numpy.typing import NDArray

_ASPECTS = (4 / 3, 3 / 4, 1.0, 16 / 9, 3 / 2)
_EMPTY_SHARE = 0.03
_MOST_SPRITES = 5
# Of the scene's short side. The power is below 1 so that small ones, many as they are at one area
# of a large one, do not dominate.
_SMALLEST_SPRITE, _LARGEST_SPRITE = 0.22, 0.75
_SIZE_POWER = 0.65
# Degrees: things stand upright in photographs, more or less.
_LARGEST_TURN = 20.0
_PLACES_TRIED = 5
_NOISE_SIDE = 512


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """A picture and its truth.

    Attributes:
        image: uint8 RGB of shape [height, width, 3].
        truth: uint8 of shape [height, width]: the class, 0 to 6, of the topmost emoji that covers
            at least half of the pixel, 0 where none does.
    """

    image: NDArray[np.uint8]
    truth: NDArray[np.uint8]


@dataclass(frozen=True, slots=True, eq=False)
class PlacedSprite:
    """An emoji as it appears in a scene.

    Attributes:
        colour: float32 of shape [h, w, 3], 0 to 255, multiplied by alpha.
        alpha: float32 of shape [h, w], 0 to 1.
        top: The scene's row where it begins; may be negative.
        left: The scene's column where it begins; may be negative.
        class_id: Its class.
    """

    colour: NDArray[np.float32]
    alpha: NDArray[np.float32]
    top: int
    left: int
    class_id: int


def scene_rng(seed: int, index: int, split: Split, purpose: int = 0) -> np.random.Generator:
    """The random numbers of one scene, which depend on the arguments only.

    Args:
        seed: Of the collection, 0 to 2**32 - 1.
        index: The scene's place in the collection, 0 to 2**32 - 1.
        split: ``train`` draws from entropy that no other split reaches with any seed.
        purpose: Tells independent streams of one scene apart; 0 is what it shows.

    Raises:
        ValueError: The seed or the index is out of range.
    """
    for name, value in (("seed", seed), ("index", index)):
        if not 0 <= value < SEEDS:
            raise ValueError(f"the {name} of a scene is 0 to {SEEDS - 1}, not {value}")
    entropy = SEEDS + seed if split == "train" else seed
    sequence = np.random.SeedSequence(entropy, spawn_key=(index, purpose))
    return np.random.Generator(np.random.PCG64(sequence))


def compose_scene(seed: int, index: int, settings: SceneSettings = DEFAULT_SETTINGS) -> Scene:
    """Compose one scene, the same for the same arguments.

    These, and errors, are those of :func:`scene_rng`.
    """
    rng = scene_rng(seed, index, settings.split)
    height, width = _draw_size(rng, settings.size)
    image = paint_backdrop(rng, height, width)
    truth = np.zeros((height, width), np.uint8)
    choice = sprites_by_class(settings.split == "held_out")
    count = int(rng.integers(1, _MOST_SPRITES + 1)) if rng.random() >= _EMPTY_SHARE else 0
    largest = _LARGEST_SPRITE * min(1.0, (4 / max(count, 1)) ** 0.5)
    for _ in range(count):
        of_class = choice[int(rng.integers(len(choice)))]
        sprite = of_class[int(rng.integers(len(of_class)))]
        share = _SMALLEST_SPRITE + (largest - _SMALLEST_SPRITE) * rng.random() ** _SIZE_POWER
        side = share * min(height, width)
        placed = _place(rng, _drawn(rng, sprite, side), truth, sprite.class_id)
        if rng.random() < 0.4:
            _cast_shadow(rng, image, placed)
        paste(image, truth, placed)
    return Scene(_photographed(rng, image), truth)


def paste(image: NDArray[np.float32], truth: NDArray[np.uint8], placed: PlacedSprite) -> None:
    """Lay an emoji over a scene, in place; what lies outside the scene is cut off.

    Args:
        image: float32 RGB of shape [height, width, 3], 0 to 255.
        truth: uint8 of shape [height, width]; where the emoji's alpha is at least 0.5 it becomes
            its class, elsewhere it stays what it was.
        placed: The emoji.
    """
    window, inside = _overlap(placed, truth.shape)
    alpha = placed.alpha[inside]
    image[window] *= (1 - alpha)[..., None]
    image[window] += placed.colour[inside]
    truth[window][alpha >= 0.5] = placed.class_id


def _draw_size(rng: np.random.Generator, size: tuple[int, int]) -> tuple[int, int]:
    long_side = int(rng.integers(size[0], size[1] + 1))
    aspect = _ASPECTS[int(rng.integers(len(_ASPECTS)))]
    short_side = max(1, round(long_side / max(aspect, 1 / aspect)))
    return (short_side, long_side) if aspect >= 1 else (long_side, short_side)


def _drawn(
    rng: np.random.Generator, sprite: Sprite, side: float
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """An emoji in its size, turned, mirrored and lit: colour by alpha, and alpha."""
    pixels = sprite.pixels[:, ::-1] if rng.random() < 0.5 else sprite.pixels
    layers = _lit(rng, np.asarray(pixels, np.float32))
    scale = side / max(layers.shape[:2])
    if scale < 1:
        # Reduced by area before it is turned, since turning looks at few pixels only.
        height, width = (max(1, round(n * scale)) for n in layers.shape[:2])
        layers = cv2.resize(layers, (width, height), interpolation=cv2.INTER_AREA)
        scale = 1.0
    turned = _turned(layers, rng.uniform(-_LARGEST_TURN, _LARGEST_TURN), scale)
    if rng.random() < 0.2:
        turned = cv2.GaussianBlur(turned, (0, 0), rng.uniform(0.4, max(0.4, 0.3 + 0.015 * side)))
    alpha = np.clip(turned[..., 3], 0, 1)
    return np.ascontiguousarray(turned[..., :3]), alpha


def _lit(rng: np.random.Generator, rgba: NDArray[np.float32]) -> NDArray[np.float32]:
    """Gain, gamma and tint; the result's colours are multiplied by alpha, alpha is 0 to 1."""
    gamma = rng.uniform(0.75, 1.35)
    gain = rng.uniform(0.65, 1.2)
    tint = rng.uniform(0.88, 1.12, 3)
    levels = np.linspace(0, 1, 256)[:, None] ** gamma * gain * tint * 255
    table = np.clip(levels, 0, 255).astype(np.float32)
    stored = rgba[..., :3].astype(np.uint8)
    alpha = rgba[..., 3:] / np.float32(255)
    lit = np.stack([table[stored[..., channel], channel] for channel in range(3)], axis=-1)
    return np.concatenate([lit * alpha, alpha], axis=-1)


def _turned(layers: NDArray[np.float32], angle: float, scale: float) -> NDArray[np.float32]:
    height, width = layers.shape[:2]
    matrix = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), angle, scale)
    cos, sin = np.abs(matrix[0, :2])
    # One pixel of margin, for the blur of interpolation.
    new_width, new_height = (
        int(np.ceil(extent)) + 2
        for extent in (width * cos + height * sin, width * sin + height * cos)
    )
    matrix[:, 2] += ((new_width - width) / 2, (new_height - height) / 2)
    turned: NDArray[np.float32] = cv2.warpAffine(
        layers, matrix, (new_width, new_height), flags=cv2.INTER_LINEAR
    )
    return turned


def _place(
    rng: np.random.Generator,
    drawn: tuple[NDArray[np.float32], NDArray[np.float32]],
    truth: NDArray[np.uint8],
    class_id: int,
) -> PlacedSprite:
    """Puts an emoji where it hides less of the others than at other places."""
    colour, alpha = drawn
    candidates = []
    for _ in range(_PLACES_TRIED):
        centre = rng.uniform(0.05, 0.95, 2) * truth.shape
        top, left = (int(c - n / 2) for c, n in zip(centre, alpha.shape, strict=True))
        placed = PlacedSprite(colour, alpha, top, left, class_id)
        window, inside = _overlap(placed, truth.shape)
        hidden = np.count_nonzero(truth[window][alpha[inside] >= 0.5])
        cut_off = alpha.size - alpha[inside].size
        candidates.append((hidden + cut_off / 2, placed))
    return min(candidates, key=lambda candidate: candidate[0])[1]


def _cast_shadow(
    rng: np.random.Generator, image: NDArray[np.float32], placed: PlacedSprite
) -> None:
    """Darkens what lies behind an emoji, softly and to one side, in place."""
    height, width = placed.alpha.shape
    sigma = rng.uniform(0.02, 0.08) * max(height, width)
    margin = int(2 * sigma) + 1
    shadow = cv2.copyMakeBorder(
        placed.alpha, margin, margin, margin, margin, cv2.BORDER_CONSTANT, value=0
    )
    shadow = cv2.GaussianBlur(shadow, (0, 0), sigma) * np.float32(rng.uniform(0.15, 0.55))
    down, right = rng.uniform(-0.1, 0.15) * height, rng.uniform(-0.12, 0.12) * width
    moved = PlacedSprite(
        placed.colour, shadow, placed.top - margin + int(down), placed.left - margin + int(right), 0
    )
    window, inside = _overlap(moved, image.shape[:2])
    image[window] *= (1 - shadow[inside])[..., None]


def _overlap(
    placed: PlacedSprite, shape: tuple[int, ...]
) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """Where an emoji lies in a scene, and which part of the emoji that is; perhaps nothing."""
    window, inside = [], []
    for begin, extent, limit in zip(
        (placed.top, placed.left), placed.alpha.shape, shape, strict=True
    ):
        first, last = max(begin, 0), min(begin + extent, limit)
        last = max(first, last)
        window.append(slice(first, last))
        inside.append(slice(first - begin, last - begin))
    return (window[0], window[1]), (inside[0], inside[1])


def _photographed(rng: np.random.Generator, image: NDArray[np.float32]) -> NDArray[np.uint8]:
    """The whole scene's light, the lens's blur and the sensor's noise."""
    if rng.random() < 0.35:
        image = cv2.GaussianBlur(
            image, (0, 0), rng.uniform(0.3, max(0.3, 0.0035 * max(image.shape)))
        )
    light = rng.uniform(0.75, 1.1) * rng.uniform(0.94, 1.06, 3)
    image *= light.astype(np.float32)
    if rng.random() < 0.6:
        image += _sensor_noise(rng, image.shape) * np.float32(rng.uniform(1, 7))
    np.clip(image, 0, 255, out=image)
    return np.asarray(cv2.convertScaleAbs(image), np.uint8)


def _sensor_noise(rng: np.random.Generator, shape: tuple[int, ...]) -> NDArray[np.float32]:
    top, left = (int(n) for n in rng.integers(_NOISE_SIDE, size=2))
    rows, columns = (np.arange(n) for n in shape[:2])
    tile = _noise_tile()
    return tile[(rows + top) % _NOISE_SIDE][:, (columns + left) % _NOISE_SIDE]


@functools.cache
def _noise_tile() -> NDArray[np.float32]:
    """Normal noise of variance 1, drawn once: a fresh draw would cost more than all the rest."""
    rng = np.random.Generator(np.random.PCG64(0))
    return rng.standard_normal((_NOISE_SIDE, _NOISE_SIDE, 3), np.float32)
