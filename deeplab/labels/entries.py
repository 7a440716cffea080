"""Classes as files list them, some by id and some by their order, made into a label set."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from beam_deeplab.deeplab.labels.genres import genre_of
from beam_deeplab.deeplab.labels.label_set import (
    IGNORE_LABEL,
    Color,
    LabelError,
    LabelSet,
    voc_color,
)

_IGNORED_NAME = "__ignore__"
"""What labelme calls the pixels that belong to no class."""
_HEX = re.compile(r"#([0-9a-fA-F]{2})([0-9a-fA-F]{2})([0-9a-fA-F]{2})")


@dataclass(frozen=True, slots=True)
class ClassEntry:
    """One class of a file.

    Attributes:
        name: Its name.
        number: Its id; None where the order of the file says it.
        color: Its colour; None where the file does not say.
        genre: Its genre; None where the file does not say.
    """

    name: str
    number: int | None = None
    color: Color | None = None
    genre: str | None = None


def color_of(value: object) -> Color | None:
    """A colour written as ``[r, g, b]`` or ``#rrggbb``; None if it is neither."""
    if isinstance(value, str):
        channels = _HEX.fullmatch(value.strip())
        return (
            (int(channels[1], 16), int(channels[2], 16), int(channels[3], 16)) if channels else None
        )
    if isinstance(value, list | tuple) and len(value) == 3:
        red, green, blue = value
        if all(type(channel) is int and 0 <= channel <= 255 for channel in value):
            return red, green, blue
    return None


def assemble(entries: Sequence[ClassEntry], name: str, classes: int | None) -> LabelSet:
    """Makes a label set of a file's classes.

    Entries that stand for pixels of no class are left out: those with the id 255 or one below 0,
    and labelme's ``__ignore__``. Ids that do not run from 0 are taken as they are if the model has
    a class for the largest of them (those that the file leaves out are named ``background`` and
    ``class_<id>``), and in ascending order if it has just as many classes as there are.

    Args:
        entries: The classes.
        name: Of the set.
        classes: How many classes the model has; None to take the ids as they are.

    Raises:
        LabelError: The set cannot be.
    """
    entries = [
        entry
        for entry in entries
        if entry.name != _IGNORED_NAME and (entry.number is None or entry.number >= 0)
    ]
    if any(entry.number is None for entry in entries):
        if any(entry.number is not None for entry in entries):
            raise LabelError("some classes have an id, others have none")
        return _label_set(entries, name)
    entries = sorted(
        (entry for entry in entries if entry.number != IGNORE_LABEL),
        key=lambda entry: entry.number or 0,
    )
    numbers = [entry.number or 0 for entry in entries]
    repeated = [number for number, count in Counter(numbers).items() if count > 1]
    if repeated:
        raise LabelError(f"two classes have the id {repeated[0]}")
    if not entries or classes == len(entries) or numbers[-1] >= IGNORE_LABEL:
        return _label_set(entries, name)
    by_number = dict(zip(numbers, entries, strict=True))
    return _label_set(
        [by_number.get(number) or _left_out(number, entries) for number in range(numbers[-1] + 1)],
        name,
    )


def _left_out(number: int, entries: Sequence[ClassEntry]) -> ClassEntry:
    named = "background" if number == 0 else f"class_{number}"
    taken = {entry.name for entry in entries}
    return ClassEntry(named if named not in taken else f"{named}_")


def _label_set(entries: Sequence[ClassEntry], name: str) -> LabelSet:
    if len(entries) > IGNORE_LABEL:
        raise LabelError(f"1 to {IGNORE_LABEL} classes are possible, not {len(entries)}")
    return LabelSet(
        name,
        tuple(entry.name for entry in entries),
        tuple(entry.color or voc_color(place) for place, entry in enumerate(entries)),
        genres=tuple(
            genre_of(entry.name) if entry.genre is None else entry.genre for entry in entries
        ),
    )
