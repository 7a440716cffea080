"""The emoji that scenes are composed of: bitmaps of Noto Color Emoji, by class."""

from __future__ import annotations

import functools
import json
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from beam_deeplab.deeplab.labels import SCENES

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class Sprite:
    """One emoji, cropped to what is seen of it.

    Attributes:
        name: The Unicode names of its characters.
        codepoints: As the Unicode standard lists sequences: ``1F468 200D 1F680``.
        class_id: Its class among :data:`deeplab.labels.SCENES`, 1 to 6.
        held_out: Whether it is kept out of training.
        pixels: uint8 RGBA of shape [height, width, 4], at most 128 x 136; colours are not
            multiplied by alpha.
    """

    name: str
    codepoints: str
    class_id: int
    held_out: bool
    pixels: NDArray[np.uint8]


@functools.cache
def sprites() -> tuple[Sprite, ...]:
    """All sprites of the package, class after class; decoded at the first call."""
    folder = resources.files(__package__).joinpath("atlas")
    index: dict[str, Any] = json.loads(folder.joinpath("index.json").read_text("utf-8"))
    height, width = index["cell"]
    found = []
    for class_name, entries in index["sprites"].items():
        data = folder.joinpath(f"{class_name}.webp").read_bytes()
        stored = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
        sheet: NDArray[np.uint8] = cv2.cvtColor(stored, cv2.COLOR_BGRA2RGBA)
        for place, entry in enumerate(entries):
            row, column = divmod(place, index["columns"])
            cell = sheet[row * height : (row + 1) * height, column * width : (column + 1) * width]
            found.append(
                Sprite(
                    entry["name"],
                    entry["codepoints"],
                    SCENES.names.index(class_name),
                    entry["split"] == "held_out",
                    _cropped(cell),
                )
            )
    return tuple(found)


@functools.cache
def sprites_by_class(held_out: bool) -> tuple[tuple[Sprite, ...], ...]:
    """The sprites of the classes 1 to 6: those kept out of training, or those that it sees."""
    return tuple(
        tuple(s for s in sprites() if s.class_id == class_id and s.held_out == held_out)
        for class_id in range(1, len(SCENES))
    )


def _cropped(cell: NDArray[np.uint8]) -> NDArray[np.uint8]:
    left, top, width, height = cv2.boundingRect(cell[..., 3])
    return np.ascontiguousarray(cell[top : top + height, left : left + width])
