"""A set of classes: names, colours and genres, and the label that stands for "ignore"."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from beam_deeplab.deeplab.labels.genres import GENRES, genre_of

Color: TypeAlias = tuple[int, int, int]
"""Red, green and blue, each 0 to 255."""

IGNORE_LABEL = 255


class LabelError(ValueError):
    """A label set that cannot be; the message is one line that says what is wrong with it."""


def voc_color(label: int) -> Color:
    """Colour of a label, 0 to 255, in the colour map of PASCAL VOC: a different one for each.

    The bits of the label are dealt out in turn to red, green and blue, the lowest to the highest
    bit of each (``VOClabelcolormap.m`` of the VOC development kit).
    """
    channels = [0, 0, 0]
    for place in range(8):
        for channel in range(3):
            channels[channel] |= (label >> (3 * place + channel) & 1) << (7 - place)
    return channels[0], channels[1], channels[2]


@dataclass(frozen=True, slots=True)
class LabelSet:
    """The classes of a model, in the order of its logits.

    Attributes:
        name: What the set is called, e.g. ``voc``.
        names: One name a class, each different; class i's is ``names[i]``. 1 to 255 of them, so
            that a mask of uint8 holds every class and the ignore label.
        palette: One colour a class; two classes may share one (in ADE20K's official palette
            ``road`` and ``skyscraper`` do).
        ignore_label: The label of pixels that belong to no class; none of the classes' own.
        genres: One of :data:`deeplab.labels.GENRES` a class, by which areas are summed up; left
            out, those of :func:`deeplab.labels.genre_of`.

    Raises:
        LabelError: If the parts do not fit together.
    """

    name: str
    names: tuple[str, ...]
    palette: tuple[Color, ...]
    ignore_label: int = IGNORE_LABEL
    genres: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not 1 <= len(self.names) <= 255:
            raise LabelError(f"1 to 255 classes are possible, not {len(self.names)}")
        if len(self.names) != len(self.palette):
            raise LabelError(f"{len(self.names)} class names but {len(self.palette)} colours")
        for index, name in enumerate(self.names):
            if not name.strip():
                raise LabelError(f"class {index} has an empty name")
            if any(0xD800 <= ord(character) < 0xE000 for character in name):
                raise LabelError(f"the name of class {index} is no Unicode text")
        repeated = [name for name, count in Counter(self.names).items() if count > 1]
        if repeated:
            raise LabelError(f"two classes are named {repeated[0]!r}")
        for name, color in zip(self.names, self.palette, strict=True):
            if len(color) != 3 or not all(0 <= channel <= 255 for channel in color):
                raise LabelError(
                    f"the colour of {name!r} is {list(color)}; it takes three numbers, 0 to 255"
                )
        if not len(self.names) <= self.ignore_label <= 255:
            raise LabelError(
                f"the ignore label {self.ignore_label} must lie between the number of classes, "
                f"{len(self.names)}, and 255"
            )
        genres = self.genres or tuple(genre_of(name) for name in self.names)
        if len(genres) != len(self.names):
            raise LabelError(f"{len(self.names)} class names but {len(genres)} genres")
        for name, genre in zip(self.names, genres, strict=True):
            if genre not in GENRES:
                raise LabelError(f"the genre {genre!r} of {name!r} is none of {', '.join(GENRES)}")
        object.__setattr__(self, "genres", genres)

    def __len__(self) -> int:
        """Number of classes."""
        return len(self.names)

    def palette_bytes(self) -> bytes:
        """The palette of an indexed PNG of masks.

        Returns:
            768 bytes, red, green and blue of each of the 256 labels, as
            ``PIL.Image.Image.putpalette`` takes them. Labels that are no class have their colour
            of the VOC map, so that 255 is the cream that VOC draws ignored pixels in.
        """
        rest = (voc_color(label) for label in range(len(self.palette), 256))
        return bytes(channel for color in (*self.palette, *rest) for channel in color)

    def to_dict(self) -> dict[str, Any]:
        """The set as plain data for JSON; :meth:`from_dict` reads it."""
        data = self.deciding_dict()
        for entry, genre in zip(data["classes"], self.genres, strict=True):
            entry["genre"] = genre
        return data

    def deciding_dict(self) -> dict[str, Any]:
        """What of :meth:`to_dict` decides a mask: all but the genres."""
        return {
            "name": self.name,
            "ignore_label": self.ignore_label,
            "classes": [
                {"name": name, "color": list(color)}
                for name, color in zip(self.names, self.palette, strict=True)
            ],
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any] | Sequence[Any], *, name: str = "") -> LabelSet:
        """Build a set from plain data.

        Args:
            data: ``{"name": str, "ignore_label": int, "classes": [...]}``, or the list of classes
                alone. A class is ``{"name": str, "color": [r, g, b], "genre": str}`` or only its
                name; a class without a colour has that of the VOC map, one without a genre that of
                :func:`deeplab.labels.genre_of`. ``name`` and ``ignore_label`` (255) may be left
                out.
            name: The set's name where ``data`` gives none.

        Raises:
            LabelError: If the data is of another form, or the set cannot be.
        """
        if not isinstance(data, Mapping):
            data = {"classes": data}
        unknown = sorted(map(str, set(data) - {"name", "ignore_label", "classes"}))
        if unknown:
            raise LabelError(
                f"unknown key {unknown[0]!r}; name, ignore_label and classes are known"
            )
        classes = data.get("classes")
        if isinstance(classes, str) or not isinstance(classes, Sequence):
            raise LabelError("classes must be a list of names, or of {name, color, genre}")
        set_name = data.get("name", name)
        if not isinstance(set_name, str):
            raise LabelError("name must be text")
        ignore_label = data.get("ignore_label", IGNORE_LABEL)
        if not _is_integer(ignore_label):
            raise LabelError("ignore_label must be a whole number")
        read = [_read_class(index, item) for index, item in enumerate(classes)]
        names, palette, genres = zip(*read, strict=True) if read else ((), (), ())
        return cls(set_name, names, palette, ignore_label, genres)


def _read_class(index: int, item: object) -> tuple[str, Color, str]:
    if isinstance(item, str):
        return item, voc_color(index & 255), genre_of(item)
    if not isinstance(item, Mapping) or not isinstance(item.get("name"), str):
        raise LabelError(f"class {index} is neither a name nor {{name, color, genre}}")
    name: str = item["name"]
    unknown = sorted(map(str, set(item) - {"name", "color", "genre"}))
    if unknown:
        raise LabelError(f"class {name!r} has an unknown key {unknown[0]!r}")
    color = item.get("color", voc_color(index & 255))
    if not (
        isinstance(color, Sequence)
        and not isinstance(color, str)
        and len(color) == 3
        and all(_is_integer(channel) for channel in color)
    ):
        raise LabelError(f"the colour of {name!r} must be three whole numbers, 0 to 255")
    return name, (color[0], color[1], color[2]), item.get("genre", genre_of(name))


def _is_integer(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
